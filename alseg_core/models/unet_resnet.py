"""U-Net with a ResNet-50 encoder, for weights that were trained elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field
from torch import Tensor, nn

from alseg_core.errors import ConfigError
from alseg_core.models.module import SegmentationModule
from alseg_core.models.weights import content, read_resnet
from alseg_core.registry import component


class UNetResNetModule(SegmentationModule):
    """MONAI's U-Net of a ResNet-50 and five decoder blocks with skip connections (nearest upsampling, conv-BN-ReLU)."""

    def __init__(self, channels: int, classes: int, dropout: float) -> None:
        from monai.networks.nets import FlexibleUNet  # takes seconds, so only where it is used

        super().__init__()
        # batch norm as in the encoder's published weights
        unet = FlexibleUNet(channels, classes, "resnet50", norm=("batch", {"eps": 1e-5}), is_pad=False)
        self.encoder, self.decoder, self.out = unet.encoder, unet.decoder, unet.segmentation_head
        self.dropout = nn.Dropout(dropout)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K, H, W) of images (B, C, H, W); H and W are multiples of 32."""
        return self.pixel_features(images)[0]

    def features(self, images: Tensor) -> Tensor:
        """Encoder features (B, 2048) after global average pooling."""
        pooled: Tensor = self.encoder(images)[-1].mean(dim=(2, 3))
        return pooled

    def pixel_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K, H, W) and the features (B, 16, H, W) before the last layer."""
        levels = self.encoder(images)
        features = self.decoder([*levels[:-1], self.dropout(levels[-1])])
        return self.out(features), features


WeightsFile = Annotated[str, AfterValidator(lambda path: path and str(Path(path).expanduser().absolute()))]
"""Path of a file, the same wherever a run is taken up; "" = still to be given."""


@component
class UNetResNet50:
    """U-Net with a ResNet-50 encoder that starts from weights in a file (ImageNet, LVM-Med), for full masks.

    weights: path of a ``.pth`` file with a ResNet-50 state_dict in torchvision's names, None = random, "" in a study =
    whoever runs it must give one. Images of one channel get the file's first filters summed over its colours.
    dropout: of the encoder's last features.
    """

    paper: ClassVar[str] = "He et al., CVPR 2016; weights for example of Nguyen et al. (LVM-Med), NeurIPS 2023"
    heads: ClassVar[int] = 1
    volumetric: ClassVar[bool] = False
    weights: WeightsFile | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1

    def __post_init__(self) -> None:
        if self.weights == "":
            raise ConfigError(
                "network unet_resnet50: the file of weights to start from is still to be given, a .pth file with a "
                "ResNet-50 state_dict (LVM-Med, torchvision's ImageNet): --set train.mask.network.weights=FILE, or "
                "null to start from random ones."
            )

    @property
    def divisor(self) -> int:
        """Rows and columns of an image are multiples of this."""
        return 32

    def start(self) -> str:
        """ "random", or the name and digest of the file of weights. Raises ConfigError when they cannot be used."""
        if self.weights is None:
            return "random"
        self.build(3, 2)
        path = Path(self.weights)
        return f"file ({path.name}, {content(path)})"

    def build(self, channels: int, classes: int) -> UNetResNetModule:
        """Network with its encoder's weights from the file. Raises ConfigError: missing, no ResNet-50."""
        module = UNetResNetModule(channels, classes, self.dropout)
        if self.weights is not None:
            found = read_resnet(Path(self.weights), module.encoder.state_dict(), "ResNet-50")
            module.encoder.load_state_dict(found, strict=False)  # what may be missing is a count of batches
        return module
