"""Raw pixels as vectors."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch.nn import functional as F

from alseg_core.embed.embedder import EmbedContext, Embedding
from alseg_core.quantities import LARGEST_SIDE
from alseg_core.registry import component

CHUNK = 64
"""Number of slices to average at a time."""


@component
class Pixels:
    """The pixels of the slice itself, optionally averaged down to size x size."""

    needs_model: ClassVar[bool] = False
    paper: ClassVar[str] = "the plain Coreset baseline of Vepa et al., NeurIPS 2024"

    size: Annotated[int, Field(ge=1, le=LARGEST_SIDE)] | None = None
    """Rows and columns after averaging, in pixels; None for no averaging."""

    def check(self) -> None:
        """Do nothing: it needs no files."""

    def embed(self, context: EmbedContext) -> Embedding:
        """Return (N, C * H * W), or (N, C * size * size) with each pixel the mean of its area.

        If the slices are contiguous in the shared array, the vectors are a view of it.
        """
        slices = context.slices
        if self.size is not None:
            positions = range(0, len(slices), CHUNK)
            parts = [_averaged(slices.images(np.arange(len(slices))[p : p + CHUNK]), self.size) for p in positions]
            return Embedding(np.concatenate(parts))
        first, last = slices.rows[[0, -1]]
        together = np.array_equal(slices.rows, np.arange(first, last + 1))
        images = slices.base[first : last + 1] if together else slices.images()
        return Embedding(images.reshape(len(images), -1))


def _averaged(images: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Average images (B, C, H, W) to (B, C * size * size)."""
    means: NDArray[np.float32] = F.adaptive_avg_pool2d(torch.from_numpy(images), size).flatten(1).numpy()
    return means
