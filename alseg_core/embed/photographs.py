"""Slices as the photographs that public encoders were trained on: three channels, on a scale of the whole pool."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from alseg_core.data.slices import Slices
from alseg_core.metric_learning.encode import CHUNK


class AsPhotograph(nn.Module):
    """Slices (B, channels, H, W) -> (B, 3, H, W), less ``low`` and divided by ``scale``.

    Three channels are taken as colour; any other number is averaged to grey, which all three channels repeat.
    """

    def __init__(self, channels: int, low: float, scale: float) -> None:
        super().__init__()
        self.channels, self.low, self.scale = channels, low, scale

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, 3, H, W)."""
        images = (images - self.low) / self.scale
        return images if self.channels == 3 else images.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)


def mean_and_deviation(slices: Slices) -> tuple[float, float]:
    """Return mean and standard deviation over all pixels of the pool; 1 if the deviation is 0."""
    total = squares = 0.0
    for images in _chunks(slices):
        total, squares = total + images.sum(), squares + np.square(images).sum()
    pixels = len(slices) * slices.channels * slices.size[0] * slices.size[1]
    variance = squares / pixels - (total / pixels) ** 2
    return total / pixels, float(np.sqrt(variance)) if variance > 1e-12 else 1.0


def least_and_range(slices: Slices) -> tuple[float, float]:
    """Return the least intensity of the pool, and its distance to the largest; 1 if all are equal."""
    ends = [(float(images.min()), float(images.max())) for images in _chunks(slices)]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    return low, high - low if high - low > 1e-6 else 1.0


def _chunks(slices: Slices) -> Iterator[NDArray[np.float64]]:
    """Yield the images of the pool in double precision, a chunk at a time."""
    for start in range(0, len(slices), CHUNK):
        yield slices.images(np.arange(start, min(start + CHUNK, len(slices)))).astype(np.float64)
