"""3D U-Net whose kernels and poolings follow the spacing of the data, with deep supervision."""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar, Self

from pydantic import Field

from alseg_core.errors import ConfigError
from alseg_core.models.stages import FEWEST_LEVELS, plan_stages
from alseg_core.models.volume_unet import VolumeUNet
from alseg_core.quantities import LARGEST_SIDE, MOST_WIDTHS, Width
from alseg_core.registry import OMIT_DEFAULT, component

Millimetres = Annotated[float, Field(ge=1e-4, le=1e4)]
UNSUPERVISED = 3
"""Levels that give no output below the full resolution: the finest, the deepest of the decoder, and the bottleneck."""
Voxels = Annotated[int, Field(ge=1)]


@component
class DynUNet:
    """3D U-Net planned from the spacing and the extent of the volumes, as nnU-Net's full-resolution network is.

    Grids of any size are taken.
    """

    paper: ClassVar[str] = "Isensee et al., nnU-Net, Nature Methods 2021"
    heads: ClassVar[int] = 1
    volumetric: ClassVar[bool] = True

    width: Width = 32
    """Channels of the finest level; every level has twice as many as the one above, up to ``cap``."""
    cap: Width = 320
    """Most channels of a level."""
    levels: Annotated[int, Field(ge=FEWEST_LEVELS, le=MOST_WIDTHS)] = 6
    """Most levels; small grids get fewer."""
    deep_supervision: bool = True
    """Whether all resolutions but the two lowest are compared with the labels, each with half the weight of the one
    above."""
    window: Annotated[int, Field(ge=1, le=LARGEST_SIDE)] = 32
    """Slices per forward pass; deeper volumes are cropped in training, in inference windows overlap."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Dropout rate after the two deepest levels of the encoder, in [0, 1)."""
    spacing_mm: tuple[Millimetres, Millimetres, Millimetres] | None = dataclasses.field(
        default=None, metadata=OMIT_DEFAULT
    )
    """Spacing (z, y, x) in mm that kernels and poolings are planned for; null = the median of the training volumes."""
    shape: tuple[Voxels, Voxels, Voxels] | None = dataclasses.field(default=None, metadata=OMIT_DEFAULT)
    """Slices, rows and columns that poolings are planned for; null = the median of the training volumes."""

    def __post_init__(self) -> None:
        if self.cap < self.width:
            raise ConfigError(f"network: cap {self.cap} must be at least width {self.width}.")

    @property
    def divisor(self) -> int:
        """Factor that rows and columns of an image must be multiples of: 1, as edges are repeated."""
        return 1

    def start(self) -> str:
        """Return "random": it has no pretrained weights."""
        return "random"

    def for_volumes(self, spacing_mm: tuple[float, float, float], shape: tuple[int, int, int]) -> Self:
        """Return this component with the facts of the data filled in where its settings leave them open."""
        return dataclasses.replace(self, spacing_mm=self.spacing_mm or spacing_mm, shape=self.shape or shape)

    def build(self, channels: int, classes: int) -> VolumeUNet:
        """Network with freshly drawn weights. Raises ConfigError without spacing_mm and shape."""
        return self._built(channels, classes, dual=False, aux_dropout=0.0)

    def _built(self, channels: int, classes: int, dual: bool, aux_dropout: float) -> VolumeUNet:
        if self.spacing_mm is None or self.shape is None:
            raise ConfigError(
                "network: dynunet is planned for data, and spacing_mm or shape is missing; a run fills them in "
                "(for_volumes), otherwise give both."
            )
        depth, rows, columns = self.shape
        stages = plan_stages(self.spacing_mm, (min(depth, self.window), rows, columns), self.levels)
        levels = len(stages.strides)
        return VolumeUNet(
            channels,
            classes,
            [min(self.width * 2**level, self.cap) for level in range(levels)],
            stages,
            self.window,
            dropout=self.dropout,
            deep=levels - UNSUPERVISED if self.deep_supervision else 0,
            dual=dual,
            aux_dropout=aux_dropout,
        )


@component
class DynUNetDual(DynUNet):
    """The same with one encoder and two decoders, for scribbles."""

    paper: ClassVar[str] = "Isensee et al., Nature Methods 2021; two decoders as in Luo et al., MICCAI 2022"
    heads: ClassVar[int] = 2

    aux_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Rate of 3D dropout on the input of the auxiliary decoder, in [0, 1)."""

    def build(self, channels: int, classes: int) -> VolumeUNet:
        """Network with freshly drawn weights. Raises ConfigError without spacing_mm and shape."""
        return self._built(channels, classes, dual=True, aux_dropout=self.aux_dropout)
