"""Lazy farthest-first against a loop over all distances: the same picks and gaps to the last bit, with less work."""

from __future__ import annotations

import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from alseg_core.geometry import euclid, farthest
from alseg_core.geometry.distances import pair_distances
from alseg_core.geometry.euclid import Euclid
from alseg_core.geometry.farthest import spread_out
from alseg_core.geometry.kcenter import cover_radius, k_center_greedy

torch.set_num_threads(1)

NONE = np.zeros(0, dtype=np.int64)


def gaps_of(x: np.ndarray, centres: list[int]) -> np.ndarray:
    """Distance (N,) of every point to the nearest centre."""
    gap = np.full(len(x), np.inf)
    for centre in centres:
        gap = np.minimum(gap, pair_distances(x, np.arange(len(x)), x, np.full(len(x), centre)))
    return gap


def plain(x: np.ndarray, centres: np.ndarray, candidates: np.ndarray, count: int, first: int | None) -> Any:
    """Picks and gaps by the definition: every distance of every point, the first of the farthest candidates."""
    gap, left = gaps_of(x, centres.tolist()), candidates.tolist()
    picks, gaps = [], []
    for i in range(count):
        pick = first if first is not None and i == 0 else max(left, key=lambda row: gap[row])
        left.remove(pick)
        picks.append(pick)
        gaps.append(gap[pick])
        gap = np.minimum(gap, gaps_of(x, [pick]))
    return picks, gaps


def pools(n: int, d: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=(n, d))
    return {
        "normal": normal,
        "clustered": rng.normal(size=(8, d))[rng.integers(0, 8, n)] * 5 + 0.1 * normal,
        "duplicated": normal[rng.integers(0, max(1, n // 4), n)],
        "equal": np.full((n, d), 3.3),
        "on a line": np.outer(rng.normal(size=n), rng.normal(size=d)),
        "on a grid": rng.integers(0, 3, (n, d)).astype(float),
        "far from the origin": normal + 1e4,
        "simplex": np.eye(n, d),
        "of many scales": normal * 10.0 ** rng.integers(-3, 4, (n, 1)),
        "too large to square": normal * 1e25,
    }


KINDS = list(pools(1, 1, 0))


@pytest.mark.parametrize("block", [euclid.BLOCK_BYTES, 2048])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_picks_and_gaps_are_those_of_the_plain_loop(
    kind: str, dtype: type, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(euclid, "BLOCK_BYTES", block)
    monkeypatch.setattr(euclid, "ROWS", 2)
    monkeypatch.setattr(farthest, "BLOCK", 4)
    monkeypatch.setattr(farthest, "ACTIVE", 8)
    for n, d in ((1, 3), (2, 1), (70, 4), (90, 130)):
        x: np.ndarray = pools(n, d, n)[kind].astype(dtype)
        order = np.random.default_rng(n).permutation(n)
        for known in {0, n // 10, n // 2}:
            candidates = order[known:]
            for first in (None, int(candidates[-1])) if known == 0 else (None,):
                found = k_center_greedy(x, order[:known], candidates, len(candidates), first)
                expected = plain(x, order[:known], candidates, len(candidates), first)
                assert found[0].tolist() == expected[0] and found[1].tolist() == expected[1]
            assert cover_radius(x, order[:known]) == gaps_of(x, order[:known].tolist()).max()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_many_ties_are_settled_as_in_the_plain_loop(data: st.DataObject) -> None:
    n, d = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 3))
    cells = st.integers(-2, 2)
    x = np.array(data.draw(st.lists(st.lists(cells, min_size=d, max_size=d), min_size=n, max_size=n)), dtype=np.float32)
    order = np.array(data.draw(st.permutations(range(n))))
    known = data.draw(st.integers(0, n - 1))
    candidates = order[known:]
    count = data.draw(st.integers(1, len(candidates)))
    found = k_center_greedy(x + 100, order[:known], candidates, count)
    expected = plain(x + 100, order[:known], candidates, count, None)
    assert found[0].tolist() == expected[0] and found[1].tolist() == expected[1]


class Counts(TorchDispatchMode):
    """How often each operation runs."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        self.calls[name] = self.calls.get(name, 0) + 1
        return func(*args, **(kwargs or {}))


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Sizes (candidates, centres) of every comparison."""
    sizes: list[tuple[int, int]] = []
    tighten = Euclid.tighten

    def counted(self: Euclid, rows: np.ndarray, bounds: np.ndarray, start: int, stop: int) -> np.ndarray:
        sizes.append((len(rows), stop - start))
        return tighten(self, rows, bounds, start, stop)

    monkeypatch.setattr(Euclid, "tighten", counted)
    return sizes


def clustered(n: int, clusters: int, d: int = 32) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(clusters, d))
    return (centres[rng.integers(0, clusters, n)] + 0.05 * rng.normal(size=(n, d))).astype(np.float32)


@pytest.mark.parametrize(("kind", "share"), [("with outliers", 0.2), ("clustered", 0.8)])
def test_distances_that_cannot_matter_are_not_computed(kind: str, share: float, met: list[tuple[int, int]]) -> None:
    rng = np.random.default_rng(0)
    x = clustered(4000, 200)
    if kind == "with outliers":
        x = rng.normal(size=(4000, 32)) * rng.lognormal(0, 1, (4000, 1))
    k_center_greedy(x, NONE, np.arange(4000), 100, 0)
    assert sum(rows * centres for rows, centres in met) < share * 4000 * 100


def test_radius_of_many_centres_needs_few_distances(met: list[tuple[int, int]]) -> None:
    x = np.random.default_rng(1).normal(size=(4000, 16)).astype(np.float32)
    cover_radius(x, np.arange(0, 4000, 10))
    assert sum(rows * centres for rows, centres in met) < 0.2 * 4000 * 400


@pytest.mark.parametrize("kind", KINDS)
def test_no_candidate_meets_a_centre_twice(kind: str, met: list[tuple[int, int]]) -> None:
    """However bad the data are, no more distances are computed than by the plain loop."""
    k_center_greedy(pools(300, 16, 0)[kind], np.arange(20), np.arange(20, 300), 100)
    assert sum(rows * centres for rows, centres in met) <= 280 * 120


def test_a_pick_asks_the_device_a_few_times(met: list[tuple[int, int]]) -> None:
    """Each comparison has one question whose answer the host waits for before it can go on."""
    x = clustered(5000, 300)
    with Counts() as counts:
        k_center_greedy(x, NONE, np.arange(5000), 100, 0)
    assert len(met) < 300
    blocks = sum(-(-rows // (euclid.BLOCK_BYTES // (4 * 32))) for rows, _ in met)
    assert counts.calls["nonzero"] == blocks
    assert not {"_local_scalar_dense", "item", "is_nonzero"} & set(counts.calls)


def test_features_are_not_copied() -> None:
    peaks = []
    for n in (20_000, 40_000):
        x = clustered(n, 50, 64)
        tracemalloc.start()
        k_center_greedy(x, NONE, np.arange(n), 30, 0)
        peaks.append(tracemalloc.get_traced_memory()[1] / x.nbytes)
        tracemalloc.stop()
    assert max(peaks) < 1 and peaks[1] < 1.5 * peaks[0]


def test_read_only_and_strided_features(tmp_path: Any) -> None:
    x = clustered(60, 5)
    expected = k_center_greedy(x, NONE, np.arange(60), 9, 3)
    np.save(tmp_path / "x.npy", x)
    wide = np.repeat(x, 2, axis=0)[::2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for same in (np.load(tmp_path / "x.npy", mmap_mode="r"), wide, np.asfortranarray(x)):
            found = k_center_greedy(same, NONE, np.arange(60), 9, 3)
            assert found[0].tolist() == expected[0].tolist() and found[1].tolist() == expected[1].tolist()


@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_not_a_number_counts_as_far_and_ends() -> None:
    x = clustered(30, 3)
    x[[7, 9]] = np.nan
    picks, gaps = k_center_greedy(x, np.array([0]), np.arange(1, 30), 5)
    assert picks[0] == 7 and np.isinf(gaps[0]) and len(set(picks.tolist())) == 5


def test_shortened_products_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network may be trained with short products; the setting is put back."""
    seen = []
    addmm = torch.addmm
    monkeypatch.setattr(
        torch, "addmm", lambda *a, **k: seen.append(torch.get_float32_matmul_precision()) or addmm(*a, **k)
    )
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        cover_radius(clustered(30, 3), np.array([1]))
        assert set(seen) == {"highest"} and torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("size", [0, 1, 5, 16, 17, 100])
def test_spreading_keeps_every_centre(size: int) -> None:
    centres = np.random.default_rng(0).permutation(1000)[:size]
    spread = spread_out(centres)
    assert sorted(spread.tolist()) == sorted(centres.tolist())
    if size == 100:  # the first ones come from the whole list
        assert np.searchsorted(np.arange(100), [centres.tolist().index(c) for c in spread[:14]]).max() > 90


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", ["normal", "clustered", "duplicated", "far from the origin"])
def test_a_gpu_picks_the_same(kind: str) -> None:
    x = pools(400, 64, 0)[kind].astype(np.float32)
    on_cpu, on_gpu = (k_center_greedy(x, np.arange(9), np.arange(9, 400), 80, device=d) for d in ("cpu", "cuda"))
    assert on_cpu[0].tolist() == on_gpu[0].tolist()
    np.testing.assert_allclose(on_cpu[1], on_gpu[1], rtol=1e-12)
