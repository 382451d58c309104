"""The 2D U-Net of the paper's protocol, with one decoder (full masks) or two (scribbles)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from alseg_core.errors import ConfigError
from alseg_core.models.module import SegmentationModule
from alseg_core.quantities import MOST_WIDTHS, Width
from alseg_core.registry import component

Widths = Annotated[tuple[Width, ...], Field(min_length=2, max_length=MOST_WIDTHS)]
Dropouts = tuple[Annotated[float, Field(ge=0, lt=1)], ...]
Upsample = Literal["bilinear", "transposed"]


def _block(inside: int, outside: int, dropout: float) -> nn.Sequential:
    """conv3x3-BN-LeakyReLU-dropout-conv3x3-BN-LeakyReLU; convolutions have no bias, as batch norm would cancel it."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.LeakyReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Conv2d(outside, outside, 3, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.LeakyReLU(inplace=True),
    )


class Encoder(nn.Module):
    """Blocks with 2x2 max pooling between them; returns the features of every level, finest first."""

    def __init__(self, channels: int, widths: tuple[int, ...], dropouts: tuple[float, ...]) -> None:
        super().__init__()
        inside = (channels, *widths[:-1])
        self.blocks = nn.ModuleList(_block(i, o, p) for i, o, p in zip(inside, widths, dropouts, strict=True))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features (B, widths[l], H / 2^l, W / 2^l) of each level l."""
        levels: list[Tensor] = []
        for block in self.blocks:
            levels.append(block(functional.max_pool2d(levels[-1], 2) if levels else images))
        return levels


class BilinearUp(nn.Sequential):
    """1x1 convolution to the width of the finer level, then bilinear upsampling with aligned corners."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__(nn.Conv2d(coarse, fine, 1), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True))


class Decoder(nn.Module):
    """Upsampling to the next finer level, skip connections by concatenation, logits at full size."""

    def __init__(self, widths: tuple[int, ...], classes: int, upsample: Upsample) -> None:
        super().__init__()
        pairs = list(zip(reversed(widths[1:]), reversed(widths[:-1]), strict=True))
        if upsample == "bilinear":
            self.ups = nn.ModuleList(BilinearUp(coarse, fine) for coarse, fine in pairs)
        else:
            self.ups = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, stride=2) for coarse, fine in pairs)
        self.blocks = nn.ModuleList(_block(2 * fine, fine, 0.0) for _, fine in pairs)
        self.out = nn.Conv2d(widths[0], classes, 3, padding=1)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Logits (B, K, H, W)."""
        logits: Tensor = self.out(self.features(levels))
        return logits

    def features(self, levels: list[Tensor]) -> Tensor:
        """Features (B, widths[0], H, W) that the last layer turns into logits."""
        x = levels[-1]
        for up, block, skip in zip(self.ups, self.blocks, reversed(levels[:-1]), strict=True):
            x = block(torch.cat([skip, up(x)], dim=1))
        return x


class UNetModule(SegmentationModule):
    """U-Net with a main decoder and, if ``dual``, an auxiliary one on the features under 2D dropout.

    ``forward`` returns the main logits only, so that inference never runs the auxiliary decoder.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        widths: tuple[int, ...],
        dropouts: tuple[float, ...],
        upsample: Upsample,
        dual: bool,
        aux_dropout: float,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(channels, widths, dropouts)
        self.decoder = Decoder(widths, classes, upsample)
        self.aux_decoder = Decoder(widths, classes, upsample) if dual else None
        self.aux_dropout = aux_dropout

    def forward(self, images: Tensor) -> Tensor:
        """Main logits (B, K, H, W) of images (B, C, H, W); H and W are multiples of 2^(levels-1)."""
        logits: Tensor = self.decoder(self.encoder(images))
        return logits

    def heads(self, images: Tensor) -> tuple[Tensor, ...]:
        """Logits of every head for training, the main one first."""
        levels = self.encoder(images)
        main = self.decoder(levels)
        if self.aux_decoder is None:
            return (main,)
        dropped = [functional.dropout2d(level, self.aux_dropout, training=self.training) for level in levels]
        return main, self.aux_decoder(dropped)

    def pixel_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Main logits (B, K, H, W) and the features (B, widths[0], H, W) before the last layer."""
        features = self.decoder.features(self.encoder(images))
        return self.decoder.out(features), features

    def features(self, images: Tensor) -> Tensor:
        """Bottleneck features (B, widths[-1]) after global average pooling."""
        pooled: Tensor = self.encoder(images)[-1].mean(dim=(2, 3))
        return pooled


@component
class UNet:
    """U-Net with one decoder, for full masks."""

    heads: ClassVar[int] = 1
    volumetric: ClassVar[bool] = False

    widths: Widths = (16, 32, 64, 128, 256)
    """Channels of each level, finest first."""
    dropouts: Dropouts = (0.05, 0.1, 0.2, 0.3, 0.5)
    """Dropout rate inside each encoder block, one per level, in [0, 1)."""
    upsample: Upsample = "bilinear"
    """Way to the next finer level: bilinear, as in all published results, after a 1x1 convolution; or transposed, a
    transposed convolution."""

    def __post_init__(self) -> None:
        if len(self.dropouts) != len(self.widths):
            raise ConfigError(f"network: {len(self.widths)} widths need as many dropouts, got {len(self.dropouts)}.")

    @property
    def divisor(self) -> int:
        """Factor that rows and columns of an image must be multiples of: 2 per pooling."""
        return int(2 ** (len(self.widths) - 1))

    def start(self) -> str:
        """Return "random": it has no pretrained weights."""
        return "random"

    def build(self, channels: int, classes: int) -> UNetModule:
        """Network with freshly drawn weights."""
        return UNetModule(channels, classes, self.widths, self.dropouts, self.upsample, dual=False, aux_dropout=0.0)


@component
class UNetDual(UNet):
    """U-Net with one encoder and two decoders, for scribbles."""

    paper: ClassVar[str] = "Luo et al., MICCAI 2022"
    heads: ClassVar[int] = 2

    aux_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Rate of 2D dropout on the input of the auxiliary decoder, in [0, 1)."""

    def build(self, channels: int, classes: int) -> UNetModule:
        """Network with freshly drawn weights."""
        return UNetModule(
            channels, classes, self.widths, self.dropouts, self.upsample, dual=True, aux_dropout=self.aux_dropout
        )
