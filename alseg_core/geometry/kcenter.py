"""Greedy k-centre: farthest-first traversal (Gonzalez 1985), within a factor 2 of the best cover radius."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alseg_core.geometry.distances import distances_to, nearest_centre
from alseg_core.vocabulary import FloatArray, IntArray


def medoid(features: FloatArray) -> int:
    """Position of the point nearest to the mean of features (N, D); the lowest one on ties."""
    return int(np.argmin(distances_to(features, features.mean(axis=0))))


def k_center_greedy(
    features: FloatArray, centres: IntArray, count: int, first: int | None = None
) -> tuple[IntArray, NDArray[np.float64]]:
    """``count`` new centres, each the point farthest from all centres so far.

    features: (N, D). centres: (L,) positions that are centres already. first: the first pick when L = 0.
    Returns the picks (count,) in order and the distance each had when it was picked (infinite for ``first``). Ties go
    to the lowest position, and no point is picked twice even where all points are equal.
    """
    nearest = nearest_centre(features, centres)
    nearest[centres] = -1.0
    picks = np.empty(count, dtype=np.int64)
    gaps = np.empty(count, dtype=np.float64)
    for i in range(count):
        pick = first if i == 0 and len(centres) == 0 and first is not None else int(np.argmax(nearest))
        picks[i], gaps[i] = pick, nearest[pick]
        np.minimum(nearest, distances_to(features, features[pick]), out=nearest)
        nearest[pick] = -1.0
    return picks, gaps
