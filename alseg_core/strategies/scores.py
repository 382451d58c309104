"""From pixel scores to slices: aggregation, and picking the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from alseg_core.vocabulary import IntArray, Selection

if TYPE_CHECKING:  # strategies are listed without waiting for torch
    from torch import Tensor

Aggregate = Literal["mean", "sum", "top", "foreground"]
"""How a slice's pixel scores become one score: mean; sum; mean of the highest 10 %; mean over the predicted foreground
dilated by 3 pixels, 0 where none is predicted (a mean over a mostly empty slice hides small structures)."""

TOP_SHARE = 0.1
DILATION = 3


def slice_scores(pixels: Tensor, aggregate: Aggregate, foreground: Tensor) -> NDArray[np.float64]:
    """Slice scores (B,) of pixel scores (B, H, W); foreground: (B, H, W) bool, predicted foreground."""
    flat = pixels.flatten(1).double()
    if aggregate == "mean":
        score = flat.mean(dim=1)
    elif aggregate == "sum":
        score = flat.sum(dim=1)
    elif aggregate == "top":
        score = flat.topk(max(1, int(flat.shape[1] * TOP_SHARE)), dim=1).values.mean(dim=1)
    else:
        from torch.nn import functional

        wide = (
            functional.max_pool2d(foreground.float(), 2 * DILATION + 1, stride=1, padding=DILATION).flatten(1).double()
        )
        score = (flat * wide).sum(dim=1) / wide.sum(dim=1).clamp(min=1)
    return score.cpu().numpy()


def best(positions: IntArray, scores: NDArray[np.float64], budget: int) -> Selection:
    """The ``budget`` positions with the highest scores, highest first; ties go to the lowest position."""
    order = np.lexsort((positions, -scores))[:budget]
    return Selection(positions[order], scores[order])
