"""Similarity of the slices of a group: the statistic that motivates group-based contrastive learning."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mean_absolute_deviation(pixels: NDArray[np.floating]) -> float:
    """Return the mean of |x_i - x_j| over pairs of slices and over pixels, for pixels (n, P) of n >= 2 slices.

    Raises ValueError for fewer slices. Sorting each pixel's values turns the sum over pairs into sum_k (2k - n + 1)
    x_(k), so no pair is formed.
    """
    n = len(pixels)
    if n < 2:
        raise ValueError(f"a deviation needs at least two slices, got {n}")
    weights = 2.0 * np.arange(n) - n + 1
    total = 0.0
    for block in np.array_split(pixels, max(1, pixels.shape[1] // 4096), axis=1):  # keeps the sorted copy small
        total += float((weights @ np.sort(block, axis=0)).sum())
    return float(total / (n * (n - 1) / 2) / pixels.shape[1])
