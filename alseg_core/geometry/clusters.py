"""k-means, its seeding, and the order in which clusters are visited."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alseg_core.geometry.euclid import Euclid
from alseg_core.geometry.neighbours import lloyd, nearest
from alseg_core.vocabulary import FloatArray, IntArray

RESTARTS = 3
"""Number of seedings, of which the best result is kept."""

STEPS = 30
"""Number of Lloyd's iterations from each seeding."""

SAFE = 1.001
"""Factor on distances that keeps the triangle inequality valid under rounding."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """A partition of N points into K clusters."""

    labels: IntArray
    """(N,) int64 cluster of each point, 0..K-1, none empty."""
    centroids: NDArray[np.float32]
    """(K, D) float32 means, of length 1 if spherical."""

    def __len__(self) -> int:
        return len(self.centroids)


def unit_length(features: FloatArray) -> NDArray[np.float32]:
    """Scale features (N, D) to Euclidean length 1; zero vectors stay zero."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = (features / np.where(length > 0, length, 1)).astype(np.float32)
    return scaled


def plus_plus(
    features: FloatArray,
    count: int,
    rng: np.random.Generator,
    weights: FloatArray | None = None,
    device: str = "cpu",
) -> IntArray:
    """Draw ``count`` different rows by k-means++ seeding (Arthur & Vassilvitskii, SODA 2007).

    features: (N, D), count <= N. The first is drawn uniformly, each further one with probability proportional to its
    squared distance to the nearest drawn row, both multiplied by ``weights`` (N,). Once all remaining rows equal drawn
    ones, the rest is drawn uniformly. device: where distances are computed.
    """
    everyone = np.arange(len(features))
    points = Euclid(features, everyone, everyone[:0], device)
    mass = np.ones(len(features)) if weights is None else np.array(weights, dtype=np.float64)
    distance = np.full(len(features), np.inf)
    nearest_yet = np.zeros(len(features), dtype=np.int64)
    free = np.ones(len(features), dtype=bool)
    rows = np.empty(count, dtype=np.int64)
    for i in range(count):
        chance = np.where(free, mass * distance**2 if i else mass, 0)
        if not chance.sum() > 0:
            chance = free.astype(np.float64)
        rows[i] = row = rng.choice(len(features), p=chance / chance.sum())
        free[row] = False
        # by the triangle inequality, a row twice as far from the nearest row as the point is not nearer to the point
        near = np.flatnonzero(~(points.apart(rows[: i + 1], row)[nearest_yet] > SAFE * 2 * distance))
        apart = points.apart(near, row)
        nearest_yet[near[apart < distance[near]]] = i
        distance[near] = np.minimum(distance[near], apart)
    return rows


def k_means(
    features: FloatArray, k: int, rng: np.random.Generator, spherical: bool = False, device: str = "cpu"
) -> Clusters:
    """Cluster features (N, D) by k-means: k-means++ seeding, Lloyd's iterations, the best of :data:`RESTARTS`.

    Equal points share a cluster and no cluster is empty, so the result has min(k, number of different points) clusters.
    spherical: measure angles; points are scaled to length 1 first, and so are centroids. device: where it runs.
    Raises ValueError if k < 1.
    """
    if k < 1:
        raise ValueError(f"k_means: k >= 1 was wanted, got {k}")
    points = unit_length(features) if spherical else np.ascontiguousarray(features, dtype=np.float32)
    first, group, counts = _different(points)
    points, weights = points[first], counts.astype(np.float32)
    if k >= len(points):
        return Clusters(group, points)
    best: NDArray[np.float32] | None = None
    least = np.inf
    for _ in range(RESTARTS):
        start = points[plus_plus(points, k, rng, weights, device)]
        centroids = lloyd(points, weights, start, STEPS, spherical, device)
        distances, _ = nearest(centroids, points, 1, device)
        spread = float((weights * distances[:, 0] ** 2).sum())
        if best is None or spread < least:
            best, least = centroids, spread
    assert best is not None
    return _settled(points, weights, best, group, spherical, device)


def visit(labels: IntArray, annotated: IntArray, candidates: IntArray, count: int) -> list[int]:
    """Return the cluster of each pick: those with the fewest annotated or picked points first, larger ones first.

    labels: (N,) cluster of each point. annotated, candidates: rows of points, at least ``count`` candidates; a cluster
    is visited only while it has candidates left. Ties go to the lowest cluster.
    """
    number = int(labels.max()) + 1
    size = np.bincount(labels, minlength=number)
    taken = np.bincount(labels[annotated], minlength=number)
    left = np.bincount(labels[candidates], minlength=number)
    turns = []
    for _ in range(count):
        open_ = np.flatnonzero(left > 0)
        turn = int(open_[np.lexsort((-size[open_], taken[open_]))[0]])
        taken[turn] += 1
        left[turn] -= 1
        turns.append(turn)
    return turns


def _different(points: NDArray[np.float32]) -> tuple[IntArray, IntArray, IntArray]:
    """Return rows of the different points by first appearance, the number of each point, and their counts."""
    whole = np.ascontiguousarray(points + 0.0)  # -0.0 becomes 0.0: rows are compared by their bytes
    keys = whole.view(np.dtype((np.void, whole.itemsize * whole.shape[1])))[:, 0]
    _, first, group, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    return first[order].astype(np.int64), number[group], counts[order]


def _settled(
    points: NDArray[np.float32],
    weights: NDArray[np.float32],
    centroids: NDArray[np.float32],
    group: IntArray,
    spherical: bool,
    device: str,
) -> Clusters:
    """Assign points to nearest centroids, fill empty clusters with the farthest points, then compute the means."""
    k = len(centroids)
    distances, rows = nearest(centroids, points, 1, device)
    labels, far = rows[:, 0], distances[:, 0]
    for empty in np.flatnonzero(np.bincount(labels, minlength=k) == 0):
        shared = np.bincount(labels, minlength=k)[labels] > 1
        moved = int(np.argmax(np.where(shared, far, -1.0)))
        labels[moved], far[moved] = empty, 0.0
    mass = np.bincount(labels, weights, minlength=k)
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(k))
    means = np.add.reduceat(points[order].astype(np.float64) * weights[order, None], starts, axis=0) / mass[:, None]
    return Clusters(labels[group], unit_length(means) if spherical else means.astype(np.float32))
