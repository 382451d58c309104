"""Euclidean distances between feature vectors, computed from their differences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alseg_core.vocabulary import FloatArray, IntArray

BLOCK_BYTES = 1 << 20
"""Size of a block of differences, in bytes, which stays in cache."""


def pair_distances(a: FloatArray, i: IntArray, b: FloatArray, j: IntArray) -> NDArray[np.float64]:
    """Euclidean distances (p,) between the rows ``i`` (p,) of a (N, D) and the rows ``j`` (p,) of b (M, D).

    Differences and sums are float64, the distance of a pair does not depend on the other pairs, and equal points have
    distance 0: the shortcut |x|^2 - 2xy + |y|^2 would cancel for close points.
    """
    result = np.empty(len(i), dtype=np.float64)
    step = max(1, BLOCK_BYTES // (8 * max(1, a.shape[1])))
    for start in range(0, len(i), step):
        part = slice(start, start + step)
        difference = a[i[part]].astype(np.float64)
        difference -= b[j[part]]
        result[part] = np.einsum("pd,pd->p", difference, difference)
    return np.sqrt(result, out=result)


def distances_to(features: FloatArray, point: FloatArray) -> NDArray[np.float64]:
    """Euclidean distances (N,) of features (N, D) to one point (D,)."""
    return pair_distances(features, np.arange(len(features)), point[None], np.zeros(len(features), dtype=np.int64))
