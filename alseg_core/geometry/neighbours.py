"""Nearest neighbours, neighbours within a radius, and Lloyd's iterations: the only module that imports faiss.

All searches are exact. faiss runs on as many threads as torch; the same number of threads gives the same results. On a
GPU and with a GPU build of faiss, :func:`nearest` runs on that GPU and :func:`lloyd` on all GPUs visible to the process
(faiss offers no choice); range search always runs on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alseg_core.errors import MissingPackageError
from alseg_core.geometry.distances import pair_distances
from alseg_core.vocabulary import FloatArray, IntArray

PAIRS = 1 << 22
"""Number of pairs of points to keep in memory at a time."""

GPU_NEIGHBOURS = 1024
"""Largest number of neighbours that every GPU build of faiss supports."""


@contextmanager
def _faiss() -> Iterator[Any]:
    """Give the module faiss, on as many threads as torch within the block. Raises MissingPackageError without faiss."""
    try:
        import faiss
    except ImportError as error:
        raise MissingPackageError(
            "nearest neighbours and k-means need the package faiss, which is not installed; "
            "try pip install faiss-cpu (or faiss-gpu-cu12)."
        ) from error
    import torch

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(torch.get_num_threads())
    try:
        yield faiss
    finally:
        faiss.omp_set_num_threads(before)


def nearest(
    features: FloatArray, queries: FloatArray, k: int, device: str = "cpu"
) -> tuple[NDArray[np.float64], IntArray]:
    """Find the ``k`` rows of features (N, D) nearest to each of queries (M, D), nearest first, ties by the lowest row.

    Returns Euclidean distances (M, k) and row numbers (M, k); 1 <= k <= N, else ValueError. Rows are found by float32
    products and their distances recomputed from differences in float64, so that equal points have distance exactly 0.
    If more than k points are equally near within float32, faiss chooses among them.
    """
    points, wanted = _float32(features), _float32(queries)
    if not 1 <= k <= len(points):
        raise ValueError(f"nearest: 1 <= k <= {len(points)} points was wanted, got k = {k}")
    with _faiss() as faiss:
        gpu = _gpu(faiss, device)
        if gpu is not None and k <= GPU_NEIGHBOURS:
            _, rows = faiss.knn_gpu(faiss.StandardGpuResources(), wanted, points, k, device=gpu)
        else:
            _, rows = faiss.knn(wanted, points, k)
    rows = np.sort(rows.astype(np.int64), axis=1)
    queried = np.repeat(np.arange(len(wanted)), k)
    distances = pair_distances(wanted, queried, points, rows.ravel()).reshape(rows.shape)
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(rows, order, axis=1)


class Balls:
    """Open balls of one radius around points, searched in blocks on request.

    features: (N, D). A point is in its own ball. The relation is symmetric, as distances near the radius are computed
    in float64. Memory is linear in N.
    """

    def __init__(self, features: FloatArray, radius: float) -> None:
        self._points = _float32(features)
        self._radius = radius
        # bound of the error of float32 products, as |x|^2 - 2xy + |y|^2 cancels
        self._slack = 1e-5 * float(np.einsum("nd,nd->n", self._points, self._points).max(initial=0))
        with _faiss() as faiss:
            self._index = faiss.IndexFlatL2(self._points.shape[1])
            self._index.add(self._points)

    def around(self, rows: IntArray) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
        """Yield the balls of the points ``rows`` in blocks: rows (b,), and pairs as (centre, member), each (p,).

        centre counts within the block, 0..b-1 and ascending; member is a row of features.
        """
        step = max(1, PAIRS // max(1, len(self._points)))
        for start in range(0, len(rows), step):
            block = rows[start : start + step]
            yield block, *self._pairs(block)

    def _pairs(self, block: IntArray) -> tuple[IntArray, IntArray]:
        limit = min(self._radius**2 + self._slack, float(np.finfo(np.float32).max))
        with _faiss():
            limits, squared, members = self._index.range_search(self._points[block], limit)
        centre = np.repeat(np.arange(len(block)), np.diff(limits.astype(np.int64)))
        member = members.astype(np.int64)
        inside = squared < self._radius**2
        doubtful = np.flatnonzero(np.abs(squared - self._radius**2) <= self._slack)
        apart = pair_distances(self._points, block[centre[doubtful]], self._points, member[doubtful])
        inside[doubtful] = apart < self._radius
        return centre[inside], member[inside]


def lloyd(
    features: NDArray[np.float32],
    weights: NDArray[np.float32],
    start: NDArray[np.float32],
    steps: int,
    spherical: bool,
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Return centroids (K, D) after ``steps`` of Lloyd's iterations from ``start`` (K, D).

    features: (N, D), K <= N, each counted ``weights`` (N,) times. spherical: points go to the centroid with the largest
    product, and centroids are scaled to length 1. An empty cluster gets half of a large one.
    """
    with _faiss() as faiss:
        kmeans = faiss.Kmeans(
            features.shape[1],
            len(start),
            niter=steps,
            spherical=spherical,
            gpu=_gpu(faiss, device) is not None,
            min_points_per_centroid=1,
            max_points_per_centroid=len(features),  # all points, no sampling
        )
        kmeans.train(features, weights=weights, init_centroids=start)
        centroids: NDArray[np.float32] = kmeans.centroids
        return centroids


def _gpu(faiss: Any, device: str) -> int | None:
    """Return the number of the GPU to use, or None for the CPU: another device, or faiss without GPU support."""
    kind, _, number = device.partition(":")
    if kind != "cuda" or not hasattr(faiss, "StandardGpuResources") or not faiss.get_num_gpus():
        return None
    return int(number or 0)


def _float32(features: FloatArray) -> NDArray[np.float32]:
    return np.ascontiguousarray(features, dtype=np.float32)
