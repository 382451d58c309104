"""3D U-Net for stacks of thick slices, with fixed poolings."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from alseg_core.errors import ConfigError
from alseg_core.models.stages import Axes, Stages
from alseg_core.models.volume_unet import VolumeUNet
from alseg_core.quantities import LARGEST_SIDE, MOST_WIDTHS, Width
from alseg_core.registry import component


@component
class UNet3D:
    """3D U-Net on whole volumes, which pools in the plane first and along z only at its deepest levels."""

    paper: ClassVar[str] = "Cicek et al., MICCAI 2016; anisotropic form as in Isensee et al., Nature Methods 2021"
    heads: ClassVar[int] = 1
    volumetric: ClassVar[bool] = True

    widths: Annotated[tuple[Width, ...], Field(min_length=3, max_length=MOST_WIDTHS)] = (8, 16, 32, 64, 128)
    """Channels of each level, finest first."""
    z_poolings: Annotated[int, Field(ge=0)] = 1
    """Number of poolings, counted from the deepest, that also halve the depth."""
    window: Annotated[int, Field(ge=1, le=LARGEST_SIDE)] = 24
    """Slices per forward pass; deeper volumes are cropped in training, in inference windows overlap."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Dropout rate after the two deepest levels of the encoder, in [0, 1)."""

    def __post_init__(self) -> None:
        if self.z_poolings >= len(self.widths):
            raise ConfigError(f"network: {len(self.widths)} levels have {len(self.widths) - 1} poolings.")
        if self.window % 2**self.z_poolings:
            raise ConfigError(f"network: window {self.window} must be a multiple of {2**self.z_poolings}.")

    @property
    def divisor(self) -> int:
        """Factor that rows and columns of an image must be multiples of: 2 per pooling."""
        return int(2 ** (len(self.widths) - 1))

    def start(self) -> str:
        """Return "random": it has no pretrained weights."""
        return "random"

    def build(self, channels: int, classes: int) -> VolumeUNet:
        """Network with freshly drawn weights."""
        return VolumeUNet(channels, classes, self.widths, self._stages(), self.window, dropout=self.dropout)

    def _stages(self) -> Stages:
        levels = len(self.widths)
        below: tuple[Axes, ...] = tuple(
            (2 if level >= levels - self.z_poolings else 1, 2, 2) for level in range(1, levels)
        )
        return Stages(((1, 3, 3), *((3, 3, 3) for _ in below)), ((1, 1, 1), *below))


@component
class UNet3DDual(UNet3D):
    """3D U-Net with one encoder and two decoders, for scribbles."""

    paper: ClassVar[str] = "two decoders as in Luo et al., MICCAI 2022"
    heads: ClassVar[int] = 2

    aux_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Rate of 3D dropout on the input of the auxiliary decoder, in [0, 1)."""

    def build(self, channels: int, classes: int) -> VolumeUNet:
        """Network with freshly drawn weights."""
        return VolumeUNet(
            channels,
            classes,
            self.widths,
            self._stages(),
            self.window,
            dropout=self.dropout,
            dual=True,
            aux_dropout=self.aux_dropout,
        )
