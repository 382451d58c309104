"""Slices shrunk to a few pixels, for networks that are trained within one query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alseg_core.strategies.view import View
from alseg_core.vocabulary import IntArray

if TYPE_CHECKING:  # strategies are listed without waiting for torch
    from torch import Tensor

CHUNK = 256
"""Number of slices to read and shrink at a time."""


def shrunk(view: View, positions: IntArray, size: int) -> Tensor:
    """Slices (n, C, size, size) on the device, scaled to mean 0 and standard deviation 1 over all of them."""
    import torch
    from torch.nn import functional

    parts = [
        functional.adaptive_avg_pool2d(torch.from_numpy(view.images(positions[i : i + CHUNK])), size)
        for i in range(0, len(positions), CHUNK)
    ]
    images = torch.cat(parts)
    return ((images - images.mean()) / images.std().clamp(min=1e-6)).to(view.device)
