"""What every segmentation network is: slices in, logits out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from alseg_core.errors import ConfigError


class SegmentationModule(nn.Module):
    """Base of the networks that components build.

    window: None for a network that treats every slice on its own. A volumetric one takes the slices of ONE volume, in
    order of z, and is trained on at most ``window`` neighbouring slices at a time.
    """

    window: int | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K, H, W) of images (B, C, H, W)."""
        raise NotImplementedError

    def placed(self, device: str | torch.device) -> SegmentationModule:
        """This network on the device, in the memory layout that its convolutions run fastest in."""
        return self.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def heads(self, images: Tensor) -> tuple[Tensor, ...]:
        """Logits of every head for training, the main one first."""
        return (self(images),)

    def features(self, images: Tensor) -> Tensor:
        """One vector (B, D) a slice."""
        raise ConfigError(f"{type(self).__name__} gives no features of slices; use another network.")

    def pixel_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Main logits (B, K, H, W) and the features (B, D, H, W) before the last layer."""
        raise ConfigError(f"{type(self).__name__} gives no features of pixels; use another network.")
