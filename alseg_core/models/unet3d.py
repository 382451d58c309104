"""3D U-Net for stacks of thick slices, a reference that is trained on fully annotated volumes."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from alseg_core.errors import ConfigError
from alseg_core.models.module import SegmentationModule
from alseg_core.quantities import LARGEST_SIDE, MOST_WIDTHS, Width
from alseg_core.registry import component


class UNet3DModule(SegmentationModule):
    """MONAI's DynUNet (instance norm, strided convolutions), whose finest level and first poolings leave z unchanged.

    window: slices per forward pass. In evaluation mode, a deeper volume is covered by overlapping windows.
    """

    def __init__(self, channels: int, classes: int, widths: tuple[int, ...], z_poolings: int, window: int) -> None:
        from monai.networks.nets import DynUNet  # takes seconds, so only where it is used

        super().__init__()
        levels = len(widths)
        strides = [(1, 1, 1), *((2 if level >= levels - z_poolings else 1, 2, 2) for level in range(1, levels))]
        kernels = [(1, 3, 3), *((3, 3, 3) for _ in range(1, levels))]
        self.net = DynUNet(3, channels, classes, kernels, strides, strides[1:], filters=widths)
        self.window, self.step = window, int(2**z_poolings)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (D, K, H, W) of the slices (D, C, H, W) of one volume in order of z."""
        assert self.window is not None
        volume = images.movedim(0, 1).unsqueeze(0)
        if self.training or len(images) <= self.window:
            logits = self._whole(volume)
        else:
            from monai.inferers import sliding_window_inference

            logits = sliding_window_inference(
                volume, (self.window, *volume.shape[3:]), 1, self._whole, overlap=0.5, mode="gaussian"
            )
        return logits[0].movedim(1, 0)

    def placed(self, device: str | torch.device) -> SegmentationModule:
        """Move the network to the device."""
        return self.to(device)

    def _whole(self, volume: Tensor) -> Tensor:
        """Logits (1, K, D, H, W) of (1, C, D, H, W); the last slice is repeated up to a depth that poolings divide."""
        depth = volume.shape[2]
        padded = functional.pad(volume, (0, 0, 0, 0, 0, -depth % self.step), mode="replicate")
        logits: Tensor = self.net(padded)[:, :, :depth]
        return logits


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

    def build(self, channels: int, classes: int) -> UNet3DModule:
        """Network with freshly drawn weights."""
        return UNet3DModule(channels, classes, self.widths, self.z_poolings, self.window)
