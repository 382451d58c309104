"""Encoding of slices chunk by chunk, so that neither device nor host holds more than a chunk."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from alseg_core.data.slices import Slices
from alseg_core.device.precision import Precision, autocast
from alseg_core.device.repeatable import repeatable
from alseg_core.models.folding import folded
from alseg_core.vocabulary import IntArray

CHUNK = 8
"""Slices per chunk. The first convolution makes 4 MB of a 256x256 slice; more slices would exceed CPU caches."""


def resize(slices: Slices, positions: IntArray, image_size: int, device: str | torch.device) -> Tensor:
    """Resize the slices at ``positions`` (B,) to (B, C, image_size, image_size) float32, bilinear with antialiasing."""
    images = torch.from_numpy(slices.images(positions)).to(device)
    if images.shape[2:] == (image_size, image_size):
        return images
    return F.interpolate(images, size=(image_size, image_size), mode="bilinear", align_corners=False, antialias=True)


def resized(slices: Slices, image_size: int, device: str | torch.device) -> Tensor:
    """Resize all slices to (N, C, image_size, image_size) float32 in host memory, one chunk at a time on the device."""
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
    precision: Precision = "float32",
) -> NDArray[np.float32]:
    """Return features h of every slice, (N, D) float32: evaluation mode, not normalised.

    encoder: images (B, C, image_size, image_size) -> h (B, D); left unchanged. progress: called with the share that is
    done. precision: arithmetic of the encoder; full by default.
    """
    encoder = folded(encoder).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    features = np.empty((len(slices), 0), dtype=np.float32)
    with repeatable(), autocast(precision, torch.device(device)):
        for start in range(0, len(slices), batch):
            positions = np.arange(start, min(start + batch, len(slices)))
            found = encoder(resize(slices, positions, image_size, device)).float().cpu().numpy()
            if start == 0:
                features = np.empty((len(slices), found.shape[1]), dtype=np.float32)
            features[positions] = found
            if progress is not None:
                progress((start + len(positions)) / len(slices))
    return features
