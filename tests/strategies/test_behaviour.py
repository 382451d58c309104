"""Each strategy on a pool with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from alseg_core.strategies import STRATEGIES
from alseg_core.strategies.scores import best, slice_scores
from tests.strategies.conftest import make_view


def test_entropy_finds_the_planted_slice() -> None:
    view = make_view()
    view.members[:] = np.array([0.98, 0.01, 0.01], dtype=np.float32).reshape(3, 1, 1)
    planted = view.unlabelled[7]
    view.members[:, planted] = 1 / 3
    picks = STRATEGIES.build("entropy").select(view, 1, np.random.default_rng(0)).positions
    assert picks.tolist() == [planted]


def test_bald_prefers_disagreement_to_doubt() -> None:
    view = make_view()
    view.members[:] = 1 / 3  # doubt everywhere: high entropy, no disagreement
    planted = view.unlabelled[4]
    for member in range(3):
        view.members[member, planted] = np.eye(3, dtype=np.float32)[member].reshape(3, 1, 1)
    selection = STRATEGIES.build("bald").select(view, 2, np.random.default_rng(0))
    assert selection.positions.tolist() == [planted, view.unlabelled[0]]  # then ties: the lowest position
    assert selection.scores is not None
    assert selection.scores[0] == pytest.approx(np.log(3), abs=1e-5)


def test_coreset_visits_every_far_cluster_once() -> None:
    view = make_view(labelled=0)
    n = len(view.table)
    cluster = np.random.default_rng(2).integers(0, 4, n)
    view.features = (np.eye(4)[cluster] * 100 + np.random.default_rng(3).normal(size=(n, 4))).astype(np.float32)
    picks = STRATEGIES.build("coreset").select(view, 4, np.random.default_rng(0)).positions
    assert sorted(cluster[picks]) == [0, 1, 2, 3]


def test_strided_shares_slices_out_evenly_and_spreads_them() -> None:
    view = make_view(depths=(10, 10, 10), labelled=0)
    picks = STRATEGIES.build("strided").select(view, 6, np.random.default_rng(0)).positions
    for volume in range(3):
        z = np.sort(view.table.z[picks[view.table.volume[picks] == volume]])
        assert len(z) == 2 and z[1] - z[0] == 5


def test_strided_turns_to_the_volumes_with_fewest_labels() -> None:
    view = make_view(depths=(10, 10, 10), labelled=0)
    view.labelled = np.sort(np.flatnonzero(view.table.volume == 1)[:3])
    picks = STRATEGIES.build("strided").select(view, 6, np.random.default_rng(0)).positions
    assert np.bincount(view.table.volume[picks], minlength=3).tolist() == [3, 0, 3]


def test_stratified_has_one_slice_in_every_stratum() -> None:
    view = make_view(depths=(10,) * 6, labelled=0)
    picks = STRATEGIES.build("stratified").select(view, 5, np.random.default_rng(0)).positions
    assert np.sort(np.floor(view.table.relative_z[picks] * 5)).tolist() == [0, 1, 2, 3, 4]


def test_random_is_uniform_over_the_unlabelled() -> None:
    view = make_view()
    counts = np.zeros(len(view.table))
    for seed in range(400):
        counts[STRATEGIES.build("random").select(view, 5, np.random.default_rng(seed)).positions] += 1
    assert counts[view.labelled].sum() == 0
    expected = 400 * 5 / len(view.unlabelled)
    assert np.abs(counts[view.unlabelled] - expected).max() < 5 * np.sqrt(expected)


@pytest.mark.parametrize(("rho", "share"), [(1.0, 1.0), (0.0, None)])
def test_oracle_foreground_reads_the_masks(rho: float, share: float | None) -> None:
    view = make_view(labelled=0)
    holds = (view.masks > 0).any(axis=(1, 2))
    strategy = STRATEGIES.build({"name": "oracle_foreground", "rho": rho})
    found = np.mean([holds[strategy.select(view, 4, np.random.default_rng(s)).positions].mean() for s in range(60)])
    assert found == (share if share is not None else pytest.approx(holds.mean(), abs=0.1))


def test_aggregations_against_numpy() -> None:
    pixels = torch.rand(3, 20, 20)
    foreground = torch.zeros(3, 20, 20, dtype=torch.bool)
    foreground[0, 5, 5] = True
    flat = pixels.numpy().reshape(3, -1)
    np.testing.assert_allclose(slice_scores(pixels, "mean", foreground), flat.mean(1), rtol=1e-5)
    np.testing.assert_allclose(slice_scores(pixels, "sum", foreground), flat.sum(1), rtol=1e-5)
    np.testing.assert_allclose(slice_scores(pixels, "top", foreground), np.sort(flat)[:, -40:].mean(1), rtol=1e-5)
    expected = [pixels[0, 2:9, 2:9].mean().item(), 0, 0]
    np.testing.assert_allclose(slice_scores(pixels, "foreground", foreground), expected, rtol=1e-5)


def test_ties_go_to_the_lowest_position() -> None:
    selection = best(np.array([9, 4, 7, 2]), np.array([1.0, 2.0, 2.0, 1.0]), 3)
    assert selection.positions.tolist() == [4, 7, 2]
