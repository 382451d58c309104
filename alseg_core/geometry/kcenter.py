"""Greedy k-centre: farthest-first traversal (Gonzalez 1985), within a factor 2 of the best cover radius."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alseg_core.geometry.distances import distances_to, nearest_centre
from alseg_core.geometry.neighbours import nearest
from alseg_core.vocabulary import FloatArray, IntArray


def medoid(features: FloatArray) -> int:
    """Row of the point nearest to the mean of features (N, D); the lowest one on ties."""
    return int(np.argmin(distances_to(features, features.mean(axis=0))))


def densest(features: FloatArray, neighbours: int = 20) -> int:
    """Row of the point of features (N, D) with the least mean distance to its nearest others; the lowest one on ties.

    neighbours: how many of them, at most half of the other points (at least one), so that a pool of a few clusters is
    judged within a cluster.
    """
    k = max(1, min(neighbours, (len(features) - 1) // 2))
    if len(features) == 1:
        return 0
    distances, _ = nearest(features, features, k + 1)  # the point itself is one of them, at distance 0
    return int(np.argmin(distances.sum(axis=1)))


def k_center_greedy(
    features: FloatArray, centres: IntArray, candidates: IntArray, count: int, first: int | None = None
) -> tuple[IntArray, NDArray[np.float64]]:
    """``count`` new centres, each the candidate farthest from all centres so far.

    features: (N, D). centres: (L,) rows that are centres already. candidates: (U,) rows to pick from, count <= U.
    first: the first pick when L = 0. Returns the picks (count,) in order and the distance each had when it was picked
    (infinite for ``first``). Ties go to the candidate listed first, and no point is picked twice even where all points
    are equal.
    """
    gap = nearest_centre(features, centres)
    free = np.zeros(len(features), dtype=bool)
    free[candidates] = True
    picks = np.empty(count, dtype=np.int64)
    gaps = np.empty(count, dtype=np.float64)
    for i in range(count):
        if i == 0 and len(centres) == 0 and first is not None:
            pick = first
        else:
            pick = int(candidates[np.argmax(np.where(free[candidates], gap[candidates], -1.0))])
        picks[i], gaps[i] = pick, gap[pick]
        free[pick] = False
        np.minimum(gap, distances_to(features, features[pick]), out=gap)
    return picks, gaps
