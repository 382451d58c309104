"""Each formula against its definition written out, or numbers worked by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import optimize, stats

from alseg_core.metrics import curve
from bench.report.statistics import aggregates, bootstrap, efficiency, penalty, power, ranks
from bench.report.statistics.paired import holm, paired

NAN = math.nan


def test_area_by_hand() -> None:
    assert curve.aubc([10, 20, 40], [0.2, 0.4, 0.6]) == pytest.approx((10 * 0.3 + 20 * 0.5) / 30)
    assert math.isnan(curve.aubc([5], [0.7]))


def test_area_weights_are_the_trapezoid() -> None:
    rng = np.random.default_rng(0)
    budgets, scores = np.cumsum(rng.uniform(1, 9, (4, 6)), axis=1), rng.random((4, 6))
    weights = curve.weights(budgets)
    assert np.sum(weights * scores, axis=1) == pytest.approx(
        [curve.aubc(b, s) for b, s in zip(budgets, scores, strict=True)]
    )
    assert weights.sum(axis=1) == pytest.approx(np.ones(4))


@pytest.mark.parametrize("budgets", [[5.0], [5.0, 5.0], [NAN, 3.0], [1.0, 2.0, NAN]])
def test_area_weights_without_an_area(budgets: list[float]) -> None:
    assert np.isnan(curve.weights(np.array(budgets))).all()


def test_area_over_a_window_is_that_of_the_interpolated_curve() -> None:
    rng = np.random.default_rng(0)
    budgets, scores = np.cumsum(rng.uniform(1, 9, (6, 7)), axis=1), rng.random((6, 7))
    low, high = curve.window(budgets)
    assert (low, high) == (budgets[:, 0].max(), budgets[:, -1].min())
    fine = np.linspace(low, high, 20_001)
    expected = [np.interp(fine, b, s).mean() for b, s in zip(budgets, scores, strict=True)]
    assert (curve.weights(budgets, (low, high)) * scores).sum(axis=1) == pytest.approx(expected, abs=1e-4)
    assert np.isnan(curve.weights(budgets, (low - 1, high))).all(axis=1).any(), "a curve is not drawn out"


def test_no_window_that_all_curves_cover() -> None:
    for budgets in ([[1, 2], [3, 4]], [[1, 2], [2, 4]], [[NAN, NAN]], np.zeros((0, 2))):
        low, high = curve.window(np.array(budgets, dtype=float))
        assert math.isnan(low) and math.isnan(high)
        assert np.isnan(curve.weights(np.array([[1.0, 2.0]]), (low, high))).all()


def test_shares_are_of_one_item_fewer() -> None:
    drawn = bootstrap.shares(5, 300, np.random.default_rng(0))
    assert drawn.sum(axis=1) == pytest.approx(np.ones(300))
    assert set(np.unique(drawn)) <= {0, 0.25, 0.5, 0.75, 1.0}
    assert bootstrap.shares(1, 3, np.random.default_rng(0)).tolist() == [[1]] * 3


@pytest.mark.parametrize("count", [2, 3, 10])
def test_bootstrapped_variance_of_a_mean_is_not_too_small(count: int) -> None:
    values = np.random.default_rng(1).random(count)
    drawn = bootstrap.shares(count, 200_000, np.random.default_rng(0)) @ values
    assert drawn.var() == pytest.approx(values.var(ddof=1) / count, rel=0.02)


def test_runs_are_means_over_drawn_volumes() -> None:
    rng = np.random.default_rng(0)
    dice, patient = rng.random((2, 3, 5)), np.array([1, 0, 1, 2, 2])
    dice[0, 1, 2] = NAN
    resampling = bootstrap.Resampling.of(3, seed=4, draws=50)
    drawn = resampling.runs(dice, patient)
    for b, m, s in itertools.product(range(50), range(2), range(3)):
        counts = np.rint(resampling.patients[b] * 2).astype(int)
        taken = [dice[m, s, v] for v in range(5) for _ in range(counts[patient[v]]) if not math.isnan(dice[m, s, v])]
        assert drawn[b, m, s] == pytest.approx(np.mean(taken))


def test_a_run_keeps_its_score_in_draws_without_its_volumes() -> None:
    resampling = bootstrap.Resampling.of(3, seed=0, draws=200)
    drawn = resampling.runs(np.array([[0.4, 0.6, NAN], [NAN, NAN, NAN]]), np.arange(3))
    weights = resampling.patients
    none = weights[:, 2] == 1
    assert none.any() and (drawn[none, 0] == 0.5).all()
    expected = (weights[~none, :2] * [0.4, 0.6]).sum(axis=1) / weights[~none, :2].sum(axis=1)
    assert drawn[~none, 0] == pytest.approx(expected) and np.isnan(drawn[:, 1]).all()


def test_variation_takes_levels_apart() -> None:
    """Against the two-way analysis of variance; draws of both levels alone would count the interaction three times."""
    rng = np.random.default_rng(3)
    seeds, volumes = 4, 6
    dice = (
        rng.normal(0, 0.2, (2, seeds, 1))
        + rng.normal(0, 0.3, (2, 1, volumes))
        + rng.normal(0, 0.4, (2, seeds, volumes))
    )
    resampling = bootstrap.Resampling.of(volumes, seed=0, draws=100_000)
    drawn = resampling.runs(dice, np.arange(volumes))
    found = bootstrap.of_means(dice.mean(axis=-1), drawn, resampling.seeds(seeds))
    by_seed, by_volume = dice.mean(axis=2), dice.mean(axis=1)
    rest = dice - by_seed[:, :, None] - by_volume[:, None, :] + dice.mean(axis=(1, 2))[:, None, None]
    interaction = np.einsum("asv,bsv->ab", rest, rest) / ((seeds - 1) * (volumes - 1)) / (seeds * volumes)
    assert found.seeds == pytest.approx(np.cov(by_seed) / seeds, rel=0.05, abs=2e-4)
    assert found.volumes == pytest.approx(np.cov(by_volume) / volumes - interaction, rel=0.1, abs=5e-4)


def test_half_width_with_one_level_is_students() -> None:
    values = np.array([0.2, 0.5, 0.3])
    interval = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
    assert bootstrap.half_width(values.var(ddof=1) / 3, 0.0, 3, 20) == pytest.approx(interval[1] - values.mean())
    assert bootstrap.half_width(0.3, 0.04, 1, 11) == pytest.approx(0.2 * stats.t.ppf(0.975, 10))
    assert bootstrap.half_width(0.04, 0.3, 11, 1) == pytest.approx(0.2 * stats.t.ppf(0.975, 10))
    assert bootstrap.half_width([0.0, -1e-9], [-1e-9, 0.0], 3, 20).tolist() == [0, 0]
    assert np.isnan(bootstrap.half_width([0.1], [0.2], 1, 1)).all()


def test_half_width_of_both_levels() -> None:
    t = (0.03 * stats.t.ppf(0.975, 2) + 0.01 * stats.t.ppf(0.975, 24)) / 0.04
    assert bootstrap.half_width(0.03, 0.01, 3, 25) == pytest.approx(0.2 * t)
    assert [bootstrap.basis(*n) for n in ((3, 9), (1, 9), (3, 1), (1, 1))] == [
        "seeds x volumes",
        "volumes",
        "seeds",
        "",
    ]


def test_paired_test_is_scipys() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 5, 6))
    a[0, 2] = b[1, 3] = NAN
    found = paired(a - b)
    for row in range(5):
        both = np.isfinite(a[row] - b[row])
        assert found.p[row] == pytest.approx(stats.ttest_rel(a[row, both], b[row, both]).pvalue)
        assert found.count[row] == both.sum()
        assert found.sd[row] == pytest.approx((a - b)[row, both].std(ddof=1))


def test_paired_test_without_variance() -> None:
    found = paired(np.array([[0.1, 0.1, 0.1], [0, 0, 0], [0.2, NAN, NAN], [NAN, NAN, NAN], [-0.1, -0.1, NAN]]))
    assert found.p[[0, 4]].tolist() == [0, 0] and found.same.tolist() == [False, True, False, False, False]
    assert np.isnan(found.p[1:4]).all() and np.isnan(found.sd[2:4]).all()
    assert found.mean[2] == 0.2 and math.isnan(found.mean[3])
    assert found.count.tolist() == [3, 3, 1, 0, 2]


def test_rounding_is_no_variance() -> None:
    scores = np.array([0.1 + 0.2, 0.3, 0.3])
    assert math.isnan(paired(scores - np.array([0.3, 0.3, 0.1 + 0.2])).p)
    assert paired(scores - 0.2).p == 0


def test_holm_by_hand() -> None:
    assert holm(np.array([0.01, 0.04, NAN, 0.03])) == pytest.approx([0.03, 0.06, NAN, 0.06], nan_ok=True)
    assert np.isnan(holm(np.array([NAN]))).all() and len(holm(np.array([]))) == 0


def test_penalties_by_hand() -> None:
    first, second = np.triu_indices(3, k=1)  # pairs 01, 02, 12
    difference = np.array([[0.1, 0.1, -0.1, 0.1], [0.2, 0.2, 0.2, 0.2], [NAN, -0.1, -0.1, -0.1]])
    half = np.array([[0.05, 0.20, 0.05, 0.05], [0.1, 0.1, 0.1, 0.1], [NAN, 0.01, 0.15, NAN]])
    found = penalty.matrix(difference, half, first, second, 3)
    assert np.nan_to_num(found, nan=-1).tolist() == [[-1, 0.5, 1], [0.25, -1, 0], [0, 0.25, -1]]
    unknown = penalty.matrix(difference, np.where(first[:, None] == 1, NAN, half), first, second, 3)
    assert np.isnan(unknown[[1, 2], [2, 1]]).all(), "never compared"


def test_ranks_by_hand() -> None:
    scores = np.array([[[0.5, 0.9]], [[0.5, 0.8]], [[0.1, 0.7]], [[0.6, 0.1]]])  # ranks 2.5 1, 2.5 2, 4 3, 1 4
    assert ranks.average(scores).tolist() == [1.75, 2.25, 3.5, 2.5]


@pytest.mark.parametrize(
    ("whole", "kept", "common"),
    [
        (["111", "111"], "11", "111"),
        (["111", "011", "000"], "110", "011"),
        (["110", "011", "101"], "000", "000"),  # no two agree and none has fewer seeds: no ranks
        (["111", "110", "001"], "110", "110"),
        (["000"], "0", "000"),
    ],
)
def test_who_is_ranked_on_what(whole: list[str], kept: str, common: str) -> None:
    found = ranks.compared(np.array([[mark == "1" for mark in row] for row in whole]))
    assert ["".join(str(int(value)) for value in part) for part in found] == [kept, common]


@pytest.mark.parametrize("count", [4, 20, 100])
def test_interquartile_mean_is_the_trimmed_one(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    expected = stats.trim_mean(values, 0.25)
    assert aggregates.iqm(values[None], np.ones((2, count))) == pytest.approx([expected, expected])


def test_interquartile_mean_with_weights_and_shares() -> None:
    values = np.array([4.0, 1.0, 2.0])
    # a third each: the middle half is 1/12 of the lowest, all of the middle one, 1/12 of the highest
    assert aggregates.iqm(values[None], np.ones((1, 3)))[0] == pytest.approx((1 / 12 + 2 / 3 + 4 / 12) / 0.5)
    weights = np.array([[3, 0, 5.0], [1, 0, 0], [0, 0, 0]])
    repeated = np.repeat([2.0, 4.0], [500, 300])
    assert aggregates.iqm(values[None], weights)[0] == pytest.approx(stats.trim_mean(repeated, 0.25))
    assert aggregates.iqm(values[None], weights)[1] == 4 and math.isnan(aggregates.iqm(values[None], weights)[2])


def test_interquartile_mean_of_rows_is_that_of_each_row() -> None:
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=(5, 7)), rng.integers(0, 4, (5, 7)).astype(float)
    repeated = [np.repeat(v, 100 * w.astype(int)) for v, w in zip(values, weights, strict=True)]
    assert aggregates.iqm(values, weights) == pytest.approx([stats.trim_mean(row, 0.25) for row in repeated])


def test_probability_of_improvement_is_mann_and_whitneys() -> None:
    a, b = np.array([0.3, 0.5, 0.5, 0.9]), np.array([0.5, 0.1, 0.6])
    found, low, high = aggregates.improvement(a, b)
    assert found == pytest.approx(stats.mannwhitneyu(a, b).statistic / 12)
    assert 0 < low < found < high < 1
    for limit in (low, high):  # Newcombe's equation
        spread = 1 + 2.5 * ((1 - limit) / (2 - limit) + limit / (1 + limit))
        z = (abs(found - limit) - 0.5 / 12) / math.sqrt(limit * (1 - limit) * spread / 12)
        assert z == pytest.approx(stats.norm.ppf(0.975))


def test_winning_every_time_is_not_certainty() -> None:
    low_runs, high_runs = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.6, 0.7])
    found, low, high = aggregates.improvement(high_runs, low_runs)
    assert (found, high) == (1, 1) and low == pytest.approx(0.448, abs=0.001)
    assert aggregates.improvement(low_runs, high_runs) == pytest.approx((0, 0, 1 - low))
    assert all(map(math.isnan, aggregates.improvement(low_runs, np.array([]))))


@pytest.mark.parametrize("seeds", [2, 3, 5, 20])
def test_detectable_difference_is_found_with_power_08(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    effect = power.detectable(0.03, seeds)
    samples = rng.normal(effect, 0.03, (20_000, seeds))
    assert np.mean(paired(samples).p < 0.05) == pytest.approx(0.8, abs=0.012)
    assert math.isnan(power.detectable(0.03, 1))


@pytest.mark.parametrize(("seeds", "tests"), [(2, 3), (3, 3), (3, 40), (5, 190)])
def test_detectable_difference_of_a_family_is_found_at_its_level(seeds: int, tests: int) -> None:
    rng = np.random.default_rng(seeds)
    effect = power.detectable(0.003, seeds, tests)
    p = paired(rng.normal(effect, 0.003, (20_000, seeds))).p
    assert np.mean(p < 0.05 / tests) == pytest.approx(0.8, abs=0.012)
    needed = power.seeds_needed(effect * 1.0001, 0.003, tests)
    assert needed == seeds and power.seeds_needed(effect * 0.999, 0.003, tests) == seeds + 1


def test_no_difference_in_dice_is_larger_than_one() -> None:
    assert power.detectable(0.1, 2, 10) == math.inf and 0 < power.detectable(0.01, 2) < 1


def test_simultaneous_half_width_is_bonferronis() -> None:
    values = np.array([0.2, 0.5, 0.3, 0.1])
    half = bootstrap.half_width(values.var(ddof=1) / 4, 0.0, 4, 20, intervals=5)
    low, high = stats.t.interval(1 - 0.05 / 5, 3, values.mean(), stats.sem(values))
    assert half == pytest.approx((high - low) / 2)


def test_seeds_needed_are_the_fewest() -> None:
    for effect in (0.1, 0.3, 1.0, 2.5, 4.0, 40.0):
        needed = int(power.seeds_needed(-effect * 0.02, 0.02))
        assert power.smallest_effect(needed) <= effect * (1 + 1e-4)
        assert needed == 2 or power.smallest_effect(needed - 1) > effect
    found = power.seeds_needed([0.0, 0.01, 0.01, 0.001, NAN, 0.1], [0.1, 0.0, NAN, 1.0, 0.1, 0.001])
    assert found.tolist()[:2] == [math.inf, 2] and found[3] == math.inf and found[5] == 2
    assert np.isnan(found[[2, 4]]).all()
    assert power.seeds_needed(0.0, 0.0) == math.inf


def rising(x: np.ndarray, a: float, rate: float, start: float = 0.02, full: float = 0.85) -> np.ndarray:
    return np.asarray(full - a * np.exp(-rate * (x - start)))


def test_efficiency_recovers_the_rates_of_curves_with_one_start() -> None:
    x = np.broadcast_to([0.02, 0.05, 0.1, 0.2, 0.4], (4, 3, 5))
    truth = [2.0, 5.0, 9.0, 30.0]
    y = np.stack([rising(x[0], 0.4, rate) for rate in truth])
    for rate, found in zip(truth, efficiency.efficiency(x, y, 0.85, seed=0), strict=True):
        assert found == pytest.approx([rate, rate, rate], rel=1e-3)


def test_efficiency_is_the_least_squares_fit_from_the_smallest_mean_start() -> None:
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0.02, 0.6, (2, 3, 6)), axis=2)
    x[:, :, 0] = [[0.01, 0.02, 0.03], [0.03, 0.01, 0.05]]  # the first recipe starts at .02, the second at .03
    y = np.stack([rising(x[0], 0.4, 7), rising(x[1], 0.4, 3)]) + rng.normal(0, 0.02, x.shape)
    x[0, 1, 3] = y[1, 2, 5] = NAN
    a = 0.85 - y[0, :, 0].mean()
    for m, (rate, low, high) in enumerate(efficiency.efficiency(x, y, 0.85, seed=0)):
        there = np.isfinite(x[m] * y[m])
        (expected,), _ = optimize.curve_fit(
            lambda amount, b: 0.85 - a * np.exp(-b * (amount - 0.02)), x[m][there], y[m][there], p0=(5.0,)
        )
        assert rate == pytest.approx(expected, rel=1e-3)
        assert low < rate < high and low * high == pytest.approx(rate**2)
    assert np.array_equal(efficiency.efficiency(x, y, 0.85, seed=0), efficiency.efficiency(x, y, 0.85, seed=0))


def test_a_free_amplitude_reverses_a_ranking_that_a_shared_one_keeps() -> None:
    x = np.broadcast_to([0.02, 0.06, 0.12, 0.2, 0.3], (2, 2, 5))
    y = np.stack([rising(x[0], 0.4, 6), rising(x[0], 0.2, 4)])
    assert (y[1] > y[0]).all()  # the second recipe is better at every budget

    def curve(amount: np.ndarray, a: float, rate: float) -> np.ndarray:
        return rising(amount, a, rate)

    free = [optimize.curve_fit(curve, x[m].ravel(), y[m].ravel(), p0=(0.3, 5.0))[0][1] for m in (0, 1)]
    assert free == pytest.approx([6, 4], rel=1e-3)
    worse, better = efficiency.efficiency(x, y, 0.85, seed=0)[:, 0]
    assert better > 1.5 * worse


@pytest.mark.parametrize(
    ("x", "y", "full"),
    [
        ([0.1, 0.2, 0.4], [0.5, 0.4, 0.3], 0.9),  # falls
        ([0.1, 0.2, 0.4], [0.5, 0.5, 0.5], 0.9),  # does not rise
        ([0.1, 0.2, 0.4], [0.5, 0.96, 0.97], 0.9),  # above full data
        ([0.1, 0.2, 0.4], [0.95, 0.96, 0.97], 0.9),  # starts above it
        ([0.1], [0.5], 0.9),  # one budget
        ([0.1, 0.1, 0.1], [0.5, 0.6, 0.7], 0.9),  # one amount
        ([0.1, 0.2, 0.4], [0.5, 0.6, 0.7], NAN),  # full data unknown
        ([NAN, NAN, NAN], [0.5, 0.6, 0.7], 0.9),  # foreground unknown
    ],
)
def test_efficiency_is_nan_where_nothing_fits(x: list[float], y: list[float], full: float) -> None:
    assert np.isnan(efficiency.efficiency(np.array([[x, x]]), np.array([[y, y]]), full, seed=0)).all()


def test_efficiency_of_one_seed_has_no_interval_and_another_recipe_keeps_its_own() -> None:
    x = np.broadcast_to([0.1, 0.2, 0.4, 0.8], (2, 3, 4)).copy()
    y = rising(x, 0.5, 5, 0.1, 0.9)
    y[1, 1:] = NAN
    several, single = efficiency.efficiency(x, y, 0.9, seed=0)
    assert several == pytest.approx([5, 5, 5], rel=1e-4)
    assert single[0] == pytest.approx(5, rel=1e-4) and np.isnan(single[1:]).all()
