"""U-Net with a ResNet-50 encoder, for pretrained weights."""

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
"""Absolute path of a file, so that a run continues from any directory; "" if it must still be given."""


@component
class UNetResNet50:
    """U-Net with a ResNet-50 encoder that starts from weights in a file (ImageNet, LVM-Med), for full masks.

    For images of one channel, the first filters of the file are summed over its colours.
    """

    paper: ClassVar[str] = "He et al., CVPR 2016; weights for example of Nguyen et al. (LVM-Med), NeurIPS 2023"
    heads: ClassVar[int] = 1
    volumetric: ClassVar[bool] = False

    weights: WeightsFile | None = None
    """Path of a ``.pth`` file with a ResNet-50 state_dict in torchvision's names; None for random weights, "" in a
    study for a file that must be given to run it."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Dropout rate of the encoder's last features, in [0, 1)."""

    def __post_init__(self) -> None:
        if self.weights == "":
            raise ConfigError(
                "network unet_resnet50: the file of initial weights is missing, a .pth file with a "
                "ResNet-50 state_dict (LVM-Med, torchvision's ImageNet): --set train.mask.network.weights=FILE, or "
                "null to start from random ones."
            )

    @property
    def divisor(self) -> int:
        """Factor that rows and columns of an image must be multiples of."""
        return 32

    def start(self) -> str:
        """Return "random", or name and digest of the file of weights. Raises ConfigError if it cannot be used."""
        if self.weights is None:
            return "random"
        self.build(3, 2)
        path = Path(self.weights)
        return f"file ({path.name}, {content(path)})"

    def build(self, channels: int, classes: int) -> UNetResNetModule:
        """Build the network with its encoder's weights from the file. Raises ConfigError: missing, no ResNet-50."""
        module = UNetResNetModule(channels, classes, self.dropout)
        if self.weights is not None:
            found = read_resnet(Path(self.weights), module.encoder.state_dict(), "ResNet-50")
            module.encoder.load_state_dict(found, strict=False)  # only batch counts may be missing
        return module
