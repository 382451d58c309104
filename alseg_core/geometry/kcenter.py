"""Greedy k-centre: farthest-first traversal (Gonzalez 1985), within a factor 2 of the best cover radius."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alseg_core.geometry.distances import distances_to
from alseg_core.geometry.euclid import Euclid
from alseg_core.geometry.farthest import Farthest, farthest_first, spread_out
from alseg_core.geometry.neighbours import nearest
from alseg_core.vocabulary import FloatArray, IntArray


def medoid(features: FloatArray) -> int:
    """Return the row of the point nearest to the mean of features (N, D); ties go to the lowest row."""
    return int(np.argmin(distances_to(features, features.mean(axis=0))))


def densest(features: FloatArray, neighbours: int = 20, device: str = "cpu") -> int:
    """Return the row of features (N, D) with the least mean distance to its nearest others; ties go to the lowest row.

    neighbours: number of nearest points, at most half of the others (at least one), so that density is judged within a
    cluster of a pool of few clusters.
    """
    k = max(1, min(neighbours, (len(features) - 1) // 2))
    if len(features) == 1:
        return 0
    distances, _ = nearest(features, features, k + 1, device)  # the point itself is one of them, at distance 0
    return int(np.argmin(distances.sum(axis=1)))


def k_center_greedy(
    features: FloatArray,
    centres: IntArray,
    candidates: IntArray,
    count: int,
    first: int | None = None,
    device: str = "cpu",
) -> tuple[IntArray, NDArray[np.float64]]:
    """Pick ``count`` new centres, each the candidate farthest from all centres so far.

    features: (N, D). centres: (L,) rows that are already centres. candidates: (U,) rows to pick from, count <= U.
    first: candidate to pick first if L = 0. device: where features are kept and compared. Returns the picks (count,) in
    order and the distance of each when it was picked (infinite for ``first``). Ties go to the candidate listed first,
    and no point is picked twice, even if all points are equal.
    """
    metric = Euclid(features, candidates, spread_out(centres), device)
    start = None if first is None or len(centres) else int(np.flatnonzero(candidates == first)[0])
    rows, gaps = farthest_first(metric, len(candidates), count, start)
    return candidates[rows], gaps


def cover_radius(features: FloatArray, centres: IntArray, device: str = "cpu") -> float:
    """Return the k-centre objective (Eq. 2 of Vepa et al., NeurIPS 2024): max over points of min over centres.

    features: (N, D). centres: (L,) rows of features; the radius is infinite if there are none.
    """
    farthest = Farthest(Euclid(features, np.arange(len(features)), spread_out(centres), device), len(features))
    return farthest.take(farthest.find())
