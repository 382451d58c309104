"""Search against plain NumPy: exact neighbours, open balls, no quadratic memory, the threads of torch."""

from __future__ import annotations

import builtins
import sys
import tracemalloc

import numpy as np
import pytest
import torch

from alseg_core.errors import MissingPackageError
from alseg_core.geometry import neighbours
from alseg_core.geometry.neighbours import Balls, nearest

torch.set_num_threads(1)


def all_distances(features: np.ndarray, queries: np.ndarray) -> np.ndarray:
    difference = queries[:, None].astype(np.float64) - features[None]
    return np.sqrt((difference**2).sum(axis=2))


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize(("count", "k"), [(1, 1), (3, 5), (70, 12), (70, 200)])
def test_nearest_against_numpy(count: int, k: int, offset: float) -> None:
    rng = np.random.default_rng(0)
    features, queries = (rng.normal(size=(n, 17)).astype(np.float32) + offset for n in (200, count))
    distances, rows = nearest(features, queries, k)
    truth = all_distances(features, queries)
    assert distances.shape == rows.shape == (count, k) and rows.dtype == np.int64
    if offset == 0:  # far from the origin float32 products cannot tell who is nearest
        np.testing.assert_array_equal(rows, np.argsort(truth, axis=1, kind="stable")[:, :k])
    np.testing.assert_allclose(distances, np.take_along_axis(truth, rows, axis=1), rtol=1e-5)
    assert (np.diff(distances, axis=1) >= 0).all()


def test_equal_points_are_at_distance_zero_and_ordered() -> None:
    features = np.concatenate([np.full((4, 8), 3.3), np.zeros((3, 8))]).astype(np.float32)
    distances, rows = nearest(features, features[:1], 4)
    assert rows.tolist() == [[0, 1, 2, 3]] and distances.tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("k", [0, 6])
def test_more_neighbours_than_points_are_refused(k: int) -> None:
    with pytest.raises(ValueError, match="5 points"):
        nearest(np.zeros((5, 2)), np.zeros((1, 2)), k)


def members(balls: Balls, rows: np.ndarray) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for block, centre, member in balls.around(rows):
        assert len(set(zip(centre.tolist(), member.tolist(), strict=True))) == len(centre)  # no pair twice
        for i, row in enumerate(block.tolist()):
            found[row] = set(member[centre == i].tolist())
    return found


@pytest.mark.parametrize("radius", [0.5, 3.0, 100.0, np.inf])
def test_balls_against_numpy(radius: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "PAIRS", 150 * 7)  # blocks of seven rows
    features = np.random.default_rng(1).normal(size=(150, 5)).astype(np.float32)
    rows = np.random.default_rng(2).permutation(150)[:60]
    truth = all_distances(features, features) < radius
    assert members(Balls(features, radius), rows) == {int(i): set(np.flatnonzero(truth[i]).tolist()) for i in rows}


@pytest.mark.parametrize("count", [1, 100])  # faiss computes few and many queries in different ways
@pytest.mark.parametrize("offset", [0, 40])
def test_a_ball_is_open_and_symmetric_also_where_distances_equal_the_radius(count: int, offset: float) -> None:
    grid = np.stack(np.meshgrid(*[np.arange(10.0)] * 2), axis=-1).reshape(-1, 2).astype(np.float32) * 0.5 + offset
    found = members(Balls(grid, 0.5), np.arange(count))
    assert found == {i: {i} for i in range(count)}  # the neighbours are at the radius: not inside
    found = members(Balls(grid, 0.5001), np.arange(count))
    assert found[0] == {0, 1, 10}


def test_memory_stays_linear() -> None:
    features = np.random.default_rng(3).normal(size=(20_000, 4)).astype(np.float32)
    tracemalloc.start()
    pairs = sum(len(member) for _, _, member in Balls(features, 0.3).around(np.arange(3000)))
    nearest(features, features[:3000], 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pairs > 3000
    assert peak < 200e6  # a matrix of 20,000 x 20,000 distances takes 3.2 GB


def test_faiss_runs_on_torchs_threads_and_gets_its_own_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import faiss

    inside = []
    knn = faiss.knn
    monkeypatch.setattr(faiss, "knn", lambda *a: inside.append(faiss.omp_get_max_threads()) or knn(*a))
    threads, own = torch.get_num_threads(), faiss.omp_get_max_threads()
    try:
        torch.set_num_threads(threads + 1)
        before = faiss.omp_get_max_threads()  # with one OpenMP runtime for both it follows torch's
        nearest(np.zeros((3, 2)), np.zeros((1, 2)), 1)
        assert inside == [threads + 1] and faiss.omp_get_max_threads() == before
    finally:
        torch.set_num_threads(threads)
        faiss.omp_set_num_threads(own)


def test_without_faiss(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *args: object, **kwargs: object) -> object:
        if name == "faiss":
            raise ImportError("No module named 'faiss'")
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.delitem(sys.modules, "faiss", raising=False)
    with pytest.raises(MissingPackageError, match="pip install faiss-cpu"):
        nearest(np.zeros((3, 2)), np.zeros((1, 2)), 1)
