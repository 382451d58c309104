"""Base of all segmentation networks: slices in, logits out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from alseg_core.errors import ConfigError


class SegmentationModule(nn.Module):
    """Base of the networks that components build."""

    window: int | None = None
    """None for a network that treats every slice on its own. A volumetric network takes the slices of ONE volume in
    order of z and is trained on at most ``window`` neighbouring slices at a time; all its outputs have one row per
    slice."""
    blends: bool = True
    """Whether a volumetric network averages overlapping windows; where it drops out, an average of two draws would make
    slices look more certain than others, so dropout passes switch it off."""

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, K, H, W) of images (B, C, H, W)."""
        raise NotImplementedError

    def placed(self, device: str | torch.device) -> SegmentationModule:
        """Move the network to the device, in the memory layout that its convolutions run fastest in."""
        return self.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def heads(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of every head for training, the main one first."""
        return (self(images),)

    def scales(self, images: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        """Return the heads for training at every supervised resolution, all at full size, the finest first.

        The loss of each counts half as much as that of the one before.
        """
        return (self.heads(images),)

    def features(self, images: Tensor) -> Tensor:
        """Return one vector (B, D) per slice. Raises ConfigError if the network has none."""
        raise ConfigError(f"{type(self).__name__} gives no features of slices; use another network.")

    def pixel_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return main logits (B, K, H, W) and the input of the last layer (B, D, H, W).

        Raises ConfigError if the network has none.
        """
        raise ConfigError(f"{type(self).__name__} gives no features of pixels; use another network.")
