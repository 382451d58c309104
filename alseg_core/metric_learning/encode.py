"""Slices through an encoder, chunk by chunk, so that neither the device nor the host must hold more than a chunk."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from alseg_core.data.slices import Slices
from alseg_core.device.repeatable import repeatable
from alseg_core.models.folding import folded
from alseg_core.models.resnet import FEATURES
from alseg_core.vocabulary import IntArray

CHUNK = 8
"""Slices on their way at a time. The first convolution makes 4 MB of one of 256x256: more leave the caches of a CPU."""


def resize(slices: Slices, positions: IntArray, image_size: int, device: str | torch.device) -> Tensor:
    """The slices at ``positions`` (B,) as (B, C, image_size, image_size) float32, bilinear, smoothed where shrunk."""
    images = torch.from_numpy(slices.images(positions)).to(device)
    if images.shape[2:] == (image_size, image_size):
        return images
    return F.interpolate(images, size=(image_size, image_size), mode="bilinear", align_corners=False, antialias=True)


def resized(slices: Slices, image_size: int, device: str | torch.device) -> Tensor:
    """All slices, (N, C, image_size, image_size) float32, in the host's memory; the device sees a chunk at a time."""
    out = torch.empty((len(slices), slices.channels, image_size, image_size))
    for start in range(0, len(slices), CHUNK):
        positions = np.arange(start, min(start + CHUNK, len(slices)))
        out[start : start + CHUNK] = resize(slices, positions, image_size, device)
    return out


@torch.no_grad()
def encode(
    encoder: nn.Module,
    slices: Slices,
    image_size: int,
    device: str | torch.device = "cpu",
    batch: int = CHUNK,
    progress: Callable[[float], None] | None = None,
) -> NDArray[np.float32]:
    """Features h of every slice, (N, 512) float32: evaluation mode, in full precision, not normalised.

    encoder: images (B, C, image_size, image_size) -> h (B, 512); it stays as it is. progress: called with the share
    that is done.
    """
    encoder = folded(encoder).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    features = np.empty((len(slices), FEATURES), dtype=np.float32)
    with repeatable():
        for start in range(0, len(slices), batch):
            positions = np.arange(start, min(start + batch, len(slices)))
            features[positions] = encoder(resize(slices, positions, image_size, device)).cpu().numpy()
            if progress is not None:
                progress((start + len(positions)) / len(slices))
    return features
