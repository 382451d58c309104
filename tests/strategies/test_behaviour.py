"""Each strategy on a pool with a known answer."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from alseg_core.errors import ConfigError
from alseg_core.registry import describe
from alseg_core.strategies import STRATEGIES
from alseg_core.strategies.clasp_pe import ClaspPE
from alseg_core.strategies.sampling import Sampling, best, pick
from alseg_core.strategies.scores import Score, slice_scores, uncertainties
from alseg_core.strategies.stochastic_batches import StochasticBatches
from alseg_core.strategies.synthetic_view import SyntheticReferenceView
from tests.strategies.conftest import make_view


def sure(view: SyntheticReferenceView) -> None:
    """Make all members and passes predict background everywhere with certainty."""
    for stack in (view.members, view.dropout):
        stack[:] = np.array([0.98, 0.01, 0.01], dtype=np.float32).reshape(3, 1, 1)


def chosen(spec: Any, view: SyntheticReferenceView, budget: int, seed: int = 0) -> list[int]:
    positions = STRATEGIES.build(spec).select(view, budget, np.random.default_rng(seed)).positions
    return [int(p) for p in positions]


@pytest.mark.parametrize("name", ["entropy", "least_confidence", "margin"])
def test_doubt_of_the_mean_finds_the_planted_slice(name: str) -> None:
    view = make_view()
    sure(view)
    planted = view.unlabelled[7]
    view.members[:, planted] = 1 / 3
    # of the sure ones the first in order of volume and z, whatever their numbers
    assert chosen(name, view, 3) == [planted, *view.unlabelled[:2]]


def test_margin_and_entropy_and_confidence_are_different_questions() -> None:
    view = make_view()
    sure(view)
    flat, tie = view.unlabelled[[3, 9]]
    view.members[:, flat] = np.array([0.45, 0.28, 0.27], dtype=np.float32).reshape(3, 1, 1)
    view.members[:, tie] = np.array([0.5, 0.499, 0.001], dtype=np.float32).reshape(3, 1, 1)
    assert chosen("entropy", view, 2) == [flat, tie]
    assert chosen("least_confidence", view, 2) == [flat, tie]
    assert chosen("margin", view, 2) == [tie, flat]


@pytest.mark.parametrize(("name", "stack"), [("bald", "dropout"), ("variance_ratio", "members")])
def test_disagreement_is_not_doubt(name: str, stack: str) -> None:
    view = make_view()
    view.members[:], view.dropout[:] = 1 / 3, 1 / 3  # doubt everywhere: high entropy, no disagreement
    planted = view.unlabelled[4]
    for t in range(3):
        getattr(view, stack)[t, planted] = np.eye(3, dtype=np.float32)[t].reshape(3, 1, 1)
    spec = {"name": name, "passes": 3}
    selection = STRATEGIES.build(spec).select(view, 2, np.random.default_rng(0))
    assert selection.positions.tolist() == [planted, view.unlabelled[0]]  # then ties: the first in order
    assert selection.scores is not None
    assert selection.scores[0] == pytest.approx(math.log(3) if name == "bald" else 2 / 3, abs=1e-5)
    assert selection.scores[1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", ["bald", "variance_ratio"])
def test_auto_takes_members_where_there_are_several_and_else_dropout(name: str) -> None:
    for members, stack in ((3, "members"), (1, "dropout")):
        view = make_view(members=members)
        view.members[:], view.dropout[:] = view.members[:1, :1], view.dropout[:1, :1]
        planted = view.unlabelled[5]
        getattr(view, stack)[1, planted] = getattr(view, stack)[1, planted][[1, 2, 0]]
        assert chosen({"name": name, "source": "auto", "passes": 4}, view, 1) == [planted]
    with pytest.raises(ConfigError, match="single network"):
        STRATEGIES.build({"name": name, "source": "members"})


def test_source_dropout_is_the_passes() -> None:
    view = make_view()
    sure(view)
    member, dropped = view.unlabelled[[2, 11]]
    view.members[:, member] = 1 / 3
    view.dropout[:, dropped] = 1 / 3
    assert chosen("entropy", view, 1) == [member]
    assert chosen({"name": "entropy", "source": "dropout", "passes": 2}, view, 1) == [dropped]
    assert chosen({"name": "clasp_pe", "source": "dropout", "beta_first": 1e4}, view, 1) == [dropped]


def test_aggregate_foreground_finds_the_small_structure() -> None:
    view = make_view()
    sure(view)
    small, wide = view.unlabelled[[3, 9]]
    view.members[:, small, :, 8:10, 8:10] = np.array([0.2, 0.4, 0.4]).reshape(3, 1, 1)
    view.members[:, wide] = np.array([0.9, 0.05, 0.05]).reshape(3, 1, 1)
    assert chosen("entropy", view, 1) == [wide]
    assert chosen({"name": "entropy", "aggregate": "foreground"}, view, 1) == [small]


# --- sampling ---


def first_picks(scores: list[float], sampling: Sampling, beta: float, draws: int = 3000) -> np.ndarray:
    """Count how often each slice is the first of two picks; positions differ from rows."""
    positions = np.array([70, 20, 50, 10])[: len(scores)]
    counts = dict.fromkeys(positions.tolist(), 0)
    rng = np.random.default_rng(11)
    for _ in range(draws):
        counts[int(pick(positions, np.array(scores), 2, sampling, beta, rng).positions[0])] += 1
    return np.array([counts[int(p)] for p in positions])


@pytest.mark.parametrize("beta", [1.0, 2.5])
@pytest.mark.parametrize("sampling", ["power", "softmax", "softrank"])
def test_draws_follow_their_distribution(sampling: Sampling, beta: float) -> None:
    scores = [0.4, 1.3, 0.1, 0.8]
    weights = {
        "power": np.array(scores) ** beta,
        "softmax": np.exp(beta * np.array(scores)),
        "softrank": np.array([3, 1, 4, 2]) ** -beta,
    }[sampling]
    counts = first_picks(scores, sampling, beta)
    assert chisquare(counts, weights / weights.sum() * counts.sum()).pvalue > 1e-3


def test_second_draw_is_without_replacement_from_the_same_weights() -> None:
    positions, scores, rng = np.array([7, 3, 5]), np.array([1.0, 2.0, 3.0]), np.random.default_rng(4)
    pairs = list(itertools.permutations(range(3), 2))
    counts = dict.fromkeys(pairs, 0)
    for _ in range(4000):
        a, b = pick(positions, scores, 2, "power", 1.0, rng).positions
        counts[list(positions).index(a), list(positions).index(b)] += 1
    expected = [scores[a] / 6 * scores[b] / (6 - scores[a]) * 4000 for a, b in pairs]
    assert chisquare([counts[p] for p in pairs], expected).pvalue > 1e-3


def test_power_never_prefers_zero_and_draws_among_zeros() -> None:
    counts = first_picks([0.0, 1e-9, 0.0, -1e-12], "power", 1.0, 200)
    assert counts.tolist() == [0, 200, 0, 0]
    counts = first_picks([0.0, 0.0, 0.0, 0.0], "power", 1.0)
    assert chisquare(counts).pvalue > 1e-3


def test_softmax_takes_negative_scores_and_softrank_shares_ranks() -> None:
    counts = first_picks([-5.0, -4.0], "softmax", 1.0)
    assert counts[1] / counts.sum() == pytest.approx(1 / (1 + math.exp(-1)), abs=0.03)
    counts = first_picks([1.0, 3.0, 1.0, 1.0], "softrank", 1.0)  # ranks 3, 1, 3, 3
    assert chisquare(counts, np.array([1 / 3, 1, 1 / 3, 1 / 3]) / 2 * counts.sum()).pvalue > 1e-3


@pytest.mark.parametrize("sampling", ["power", "softmax", "softrank"])
def test_a_large_beta_is_top_and_scores_fall(sampling: Sampling) -> None:
    rng = np.random.default_rng(0)
    positions, scores = rng.permutation(50)[:30], rng.permutation(30) / 30 + 0.1
    drawn = pick(positions, scores, 9, sampling, 1e6, rng)
    assert drawn.positions.tolist() == pick(positions, scores, 9, "top", 1.0, rng).positions.tolist()
    assert drawn.scores is not None and (np.diff(drawn.scores) <= 0).all()


def test_sampling_of_a_strategy() -> None:
    view = make_view()
    sure(view)
    planted = view.unlabelled[7]
    view.members[:, planted] = 1 / 3
    spec = {"name": "entropy", "sampling": "power"}
    found = np.mean([chosen(spec, view, 1, seed) == [planted] for seed in range(600)])
    low = -sum(p * math.log(p) for p in (0.98, 0.01, 0.01))
    assert found == pytest.approx(math.log(3) / (math.log(3) + 16 * low), abs=0.07)


# --- ClaSP ---


def test_clasp_beta_schedule() -> None:
    """By the same factor from query to query, from 1 up to what a query after the last would have."""
    strategy = ClaspPE()
    assert [strategy.beta(r, 5) for r in (1, 2, 3, 4)] == pytest.approx([1, 10**0.5, 10, 10**1.5])
    assert [strategy.beta(r, 3) for r in (1, 2)] == pytest.approx([1, 10])
    assert [strategy.beta(r, rounds) for r, rounds in ((0, 1), (1, 2), (0, 2), (0, 5))] == [1, 1, 1, 1]


def test_clasp_stays_random_in_the_last_round() -> None:
    view = make_view()
    view.round, view.rounds = 2, 3
    assert len({tuple(sorted(chosen("clasp_pe", view, 4, seed))) for seed in range(20)}) > 5
    greedy = {"name": "clasp_pe", "beta_first": 1e6, "beta_last": 1e6}
    assert len({tuple(sorted(chosen(greedy, view, 4, seed))) for seed in range(20)}) == 1


@pytest.mark.parametrize(("budget", "classes"), [(50, 4), (10, 4), (1, 3), (2, 3), (100, 3), (7, 2)])
def test_clasp_class_shares(budget: int, classes: int) -> None:
    stratified = int(round(0.66 * budget * 100) // 100)
    extra = np.zeros(classes, dtype=int)
    for seed in range(200):
        counts = ClaspPE().counts(budget, classes, np.random.default_rng(seed))
        assert counts.sum() == budget and counts[0] == budget - stratified
        assert counts[1:].max() - counts[1:].min() <= 1
        extra += counts - counts.min()
    left = stratified % (classes - 1)
    if left:  # what does not divide goes to every class now and then
        assert (counts[1:].min() == stratified // (classes - 1)) and (extra[1:] > 0).all()


def test_clasp_draws_for_rare_classes() -> None:
    view = make_view()
    sure(view)
    common, rare = view.unlabelled[[1, 4, 6, 8]], view.unlabelled[[2, 12]]
    view.members[:, common] = np.array([0.5, 0.5, 0.0], dtype=np.float32).reshape(3, 1, 1)
    view.members[:, rare] = np.array([0.88, 0.0, 0.12], dtype=np.float32).reshape(3, 1, 1)
    greedy = {"name": "clasp_pe", "beta_first": 100, "beta_last": 100}
    picks = chosen(greedy, view, 4)  # two for the classes, one each; two free of class
    assert picks[0] in common and picks[1] in rare and set(picks[2:]) <= set(common)
    assert set(chosen("entropy", view, 4)) == set(common)


# --- groups, and uncertainty with diversity ---


def test_stochastic_batches_takes_the_best_of_the_groups() -> None:
    view = make_view(depths=(9, 8), labelled=3)  # 14 left: 3 groups of 4 and 2 left over
    scores = Score().of(view, np.random.default_rng(0))
    for seed in range(5):
        groups = np.random.default_rng(seed).permutation(14)[:12].reshape(3, 4)
        group = max(groups, key=lambda rows: scores[rows].mean())
        picks = chosen("stochastic_batches", view, 4, seed)
        assert sorted(picks) == sorted(view.unlabelled[group])
        assert picks == sorted(picks, key=lambda p: -scores[list(view.unlabelled).index(p)])


def test_stochastic_batches_with_a_budget_above_half_is_random() -> None:
    view = make_view(depths=(9, 8), labelled=3)
    counts = np.zeros(len(view.table))
    for seed in range(300):
        counts[chosen("stochastic_batches", view, 8, seed)] += 1
    assert (counts[view.unlabelled] > 300 * 8 / 14 * 0.8).all()


def test_nested_scores_are_named_and_described() -> None:
    for spec in ("margin", {"name": "margin"}):
        strategy = STRATEGIES.build({"name": "stochastic_batches", "score": spec})
        assert isinstance(strategy, StochasticBatches) and strategy.score == Score(name="margin")
        assert STRATEGIES.build(describe(strategy)) == strategy
    with pytest.raises(ConfigError, match="entropy"):
        STRATEGIES.build({"name": "uncertain_coreset", "score": {"name": "entropi"}})


def test_uncertain_coreset_spreads_over_the_uncertain_only() -> None:
    view = make_view()
    sure(view)
    # three far clusters; the third holds no uncertain slice
    cluster = np.zeros(len(view.table), dtype=int)
    left = view.unlabelled
    cluster[left] = np.arange(len(left)) % 3
    view.features = (np.eye(3)[cluster] * 100 + np.random.default_rng(3).normal(size=(len(cluster), 3))).astype("f4")
    uncertain = left[cluster[left] < 2][:6]
    view.members[:, uncertain] = 1 / 3
    view.labelled = left[cluster[left] == 2][:1]
    picks = chosen({"name": "uncertain_coreset", "factor": 3}, view, 2)
    assert set(picks) <= set(uncertain)
    assert sorted(cluster[picks]) == [0, 1]


def test_uncertain_coreset_with_factor_one_is_the_score() -> None:
    view = make_view()
    assert set(chosen({"name": "uncertain_coreset", "factor": 1}, view, 5)) == set(chosen("entropy", view, 5))


# --- representation and references ---


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


def test_several_measures_from_one_pass() -> None:
    """T predictions per slice for any number of measures, with the same values as for each measure alone."""
    view, asked = make_view(), 0
    answers = view.dropout_probabilities

    def counted(*given: Any) -> Any:
        nonlocal asked
        for chunk, passes in answers(*given):
            kept = list(passes)
            asked += len(kept) * len(chunk)
            yield chunk, iter(kept)

    view.dropout_probabilities = counted  # type: ignore[method-assign, assignment]
    rng = np.random.default_rng
    together = uncertainties(view, ("entropy", "bald", "variance_ratio"), "dropout", 40, "mean", rng(0))
    assert asked == 40 * len(view.unlabelled)
    for name, scores in together.items():
        alone = Score(name=name, source="dropout", passes=40).of(view, rng(0))
        assert scores.dtype == np.float64 and np.array_equal(scores, alone) and len(set(scores)) > 1


def test_ties_go_to_the_first_in_order() -> None:
    selection = best(np.array([9, 4, 7, 2]), np.array([1.0, 2.0, 2.0, 1.0]), 3)
    assert selection.positions.tolist() == [4, 7, 9]


def test_random_volumes_has_one_slice_of_as_many_volumes_as_it_can() -> None:
    view = make_view(depths=(10, 4, 10, 1, 7), labelled=0)
    for seed in range(10):
        assert len(set(view.table.volume[chosen("random_volumes", view, 3, seed)])) == 3
        count = np.bincount(view.table.volume[chosen("random_volumes", view, 11, seed)], minlength=5)
        assert count[3] == 1 and sorted(count[[0, 1, 2, 4]]) == [2, 2, 3, 3]


def test_random_volumes_turns_to_the_volumes_with_fewest_labels_and_is_random_within() -> None:
    view = make_view(depths=(10, 10, 10), labelled=0)
    view.labelled = view.unlabelled[view.table.volume[view.unlabelled] == 1][:2]
    picks = [chosen("random_volumes", view, 2, seed) for seed in range(300)]
    assert all(sorted(view.table.volume[p]) == [0, 2] for p in picks)
    z = np.bincount(view.table.z[np.concatenate(picks)], minlength=10)
    assert chisquare(z).pvalue > 1e-3


def test_whole_volumes_finishes_what_it_began() -> None:
    view = make_view(depths=(5, 1, 7, 4, 6), labelled=0)
    turns = []
    for seed in range(40):
        view.labelled = np.zeros(0, dtype=np.int64)
        taken: list[int] = []
        for number, budget in enumerate((3, 6, 5, 9)):
            taken += chosen("whole_volumes", view, budget, 10 * seed + number)
            view.labelled = np.array(taken)
            missing = view.table.depth - np.bincount(view.table.volume[taken], minlength=5)
            begun = (missing > 0) & (missing < view.table.depth)
            assert begun.sum() <= 1
        # every volume is taken in one go, its slices by z
        volumes = view.table.volume[taken]
        order = list(dict.fromkeys(volumes.tolist()))
        assert volumes.tolist() == [v for v in order for _ in range(view.table.depth[v])]
        assert view.table.z[taken].tolist() == [z for v in order for z in range(view.table.depth[v])]
        turns.append(order[0])
    assert set(turns) == {0, 1, 2, 3, 4}


def errors_of(view: SyntheticReferenceView) -> np.ndarray:
    """Count (N, K) wrong pixels of each slice whose true or predicted class is k, pixel by pixel."""
    predicted = view.members.mean(axis=0).argmax(axis=1)
    out = np.zeros((len(view.table), view.classes))
    for i in range(len(view.table)):
        for p, t in zip(predicted[i].ravel(), view.masks[i].ravel(), strict=True):
            if p != t and t != 255:
                out[i, p] += 1
                out[i, t] += 1
    return out


def test_oracle_greedy_takes_the_planted_wrong_slices_of_every_class() -> None:
    view = make_view()
    view.members[:] = np.eye(3, dtype=np.float32)[view.masks].transpose(0, 3, 1, 2)  # right everywhere
    many, few, unmarked = view.unlabelled[[2, 4, 6]], view.unlabelled[9], view.unlabelled[11]
    view.masks[many] = 1
    view.members[:, many] = np.array([1, 0, 0], dtype=np.float32).reshape(3, 1, 1)
    view.masks[few, :3, :3] = 2
    view.members[:, few] = np.array([1, 0, 0], dtype=np.float32).reshape(3, 1, 1)
    view.masks[unmarked] = 255
    # 256 pixels of class 1: +16, then sqrt(512) - 16 = 6.6, then 5.1; at least 9 pixels of class 2: +3 or more
    picks = chosen("oracle_greedy", view, 4)
    assert picks[0] in many and set(picks) == {*many, few}


def test_oracle_greedy_is_the_greedy_maximum_of_its_formula() -> None:
    view = make_view(seed=3)
    errors = errors_of(view)[:, 1:]
    selection = STRATEGIES.build("oracle_greedy").select(view, 6, np.random.default_rng(0))
    picks: list[int] = []
    for _ in range(6):
        gains = [
            (np.sqrt(errors[[*picks, p]].sum(0)).sum() - np.sqrt(errors[picks].sum(0)).sum(), -i, p)
            for i, p in enumerate(view.unlabelled)
            if p not in picks
        ]
        picks.append(int(max(gains)[2]))
    assert selection.positions.tolist() == picks
    assert selection.scores is not None and (np.diff(selection.scores) <= 1e-9).all()
    assert selection.scores.sum() == pytest.approx(np.sqrt(errors[picks].sum(0)).sum())
