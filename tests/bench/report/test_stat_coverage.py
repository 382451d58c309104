"""On scores of known truth, intervals cover the truth and tests reject at their nominal rates."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from bench.report.statistics.aggregates import improvement, middle
from bench.report.statistics.bootstrap import Resampling
from bench.report.statistics.budget_summary import Summary, columns, summarise
from bench.report.statistics.efficiency import efficiency
from bench.report.statistics.grid import AMOUNTS, Grid
from bench.report.statistics.paired import holm, paired

MEAN = 0.6
LOSS = 0.25
"""What a run loses that never finds one of three classes, which the others find with a Dice of .75."""


@dataclass(frozen=True)
class Mix:
    """Standard deviations of what adds up to a volume's Dice. volumes, places: of a volume for all recipes, for one."""

    seeds: float
    volumes: float
    places: float
    rest: float
    lost: float = 0.0
    """Share of runs that lose a class, and with it :data:`LOSS`."""

    def draw(self, rng: np.random.Generator, pairs: int, seeds: int, patients: int, per: int) -> NDArray[np.float64]:
        """Dice (2 * pairs, seeds, 1, patients * per); recipes 2k and 2k + 1 share volumes, volumes of a patient differ
        by ``rest`` alone."""

        def normal(sd: float, *shape: int) -> NDArray[np.float64]:
            return rng.normal(0, sd, shape)

        shared = np.repeat(normal(self.volumes, pairs, 1, 1, patients), 2, axis=0)
        own = normal(self.places, 2 * pairs, 1, 1, patients)
        rest = normal(self.rest, 2 * pairs, seeds, 1, patients * per)
        dice = MEAN + np.repeat(shared + own, per, axis=-1) + normal(self.seeds, 2 * pairs, seeds, 1, 1) + rest
        return dice if not self.lost else dice - LOSS * (rng.random((2 * pairs, seeds, 1, 1)) < self.lost)


MIXES = {
    "even": Mix(seeds=0.03, volumes=0.10, places=0.03, rest=0.05),
    "seeds": Mix(seeds=0.05, volumes=0.02, places=0.01, rest=0.05),
    "volumes": Mix(seeds=0.01, volumes=0.10, places=0.05, rest=0.05),
    "rest": Mix(seeds=0.03, volumes=0.03, places=0.02, rest=0.10),
}
COLLAPSING = {
    "even": dataclasses.replace(MIXES["even"], lost=0.3),
    "quiet": Mix(seeds=0.01, volumes=0.05, places=0.01, rest=0.05, lost=0.3),
}
"""Three runs of ten lose a class."""


def summary(dice: NDArray[np.float64], patient: NDArray[np.intp], draws: int) -> Summary:
    shape = dice.shape[:3]
    amounts = {name: np.ones(shape) for name in AMOUNTS}
    runs = Grid(
        [f"r{m}" for m in range(shape[0])], list(range(shape[1])), ["1"], [0], dice, patient, amounts, np.ones(shape)
    )
    resampling = Resampling.of(int(patient.max()) + 1, 0, draws)
    column = next(columns(runs, resampling))
    return summarise(column, np.arange(0, shape[0], 2), np.arange(1, shape[0], 2), resampling)


def coverage(mix: Mix, seeds: int, sets: int, draws: int, patients: int = 25, per: int = 1) -> tuple[float, float]:
    """Share of ``sets`` data sets whose interval holds the true mean, and the true difference of two recipes, 0."""
    rng = np.random.default_rng(seeds)
    patient = np.repeat(np.arange(patients), per)
    hits: list[NDArray[np.bool_]] = []
    for _ in range(sets // 250):
        found = summary(mix.draw(rng, 250, seeds, patients, per), patient, draws)
        mean = np.abs(found.means.mean - (MEAN - LOSS * mix.lost)) <= found.half
        hits.append(np.stack([mean[::2], np.abs(found.tests.mean) <= found.test_half]))
    shares = np.concatenate(hits, axis=1).mean(axis=1)
    return float(shares[0]), float(shares[1])


def near(share: float, nominal: float, sets: int, allowed: float = 0.0) -> bool:
    """Within what chance gives in 999 of 1,000 simulations, and ``allowed``."""
    low, high = stats.binom.interval(0.999, sets, nominal)
    return bool(low / sets - allowed <= share <= high / sets + allowed)


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_cover(seeds: int) -> None:
    for share in coverage(MIXES["even"], seeds, sets=500, draws=400):
        assert near(share, 0.96, 500, allowed=0.015)


def test_one_seed_covers_over_volumes() -> None:
    mix = Mix(seeds=0.0, volumes=0.1, places=0.05, rest=0.05)
    for share in coverage(mix, 1, sets=500, draws=400):
        assert near(share, 0.95, 500, allowed=0.01)


def test_volumes_of_a_patient_are_drawn_together() -> None:
    mix = Mix(seeds=0.005, volumes=0.1, places=0.05, rest=0.02)
    for share in coverage(mix, 3, sets=500, draws=400, patients=20, per=2):
        assert near(share, 0.95, 500, allowed=0.015)
    rng = np.random.default_rng(0)
    dice = mix.draw(rng, 250, 3, 20, 2)
    apart = summary(dice, np.arange(40), 400)  # as if phases were independent: far too short
    assert np.mean(np.abs(apart.means.mean - MEAN)[::2] <= apart.half[::2]) < 0.9


def own_splits(dice: NDArray[np.float64], tested: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """``dice`` (M, S, 1, V) where each seed is scored on a draw of ``tested`` of the volumes, the others NaN."""
    order = rng.permuted(np.tile(np.arange(dice.shape[-1]), (dice.shape[1], 1)), axis=1)
    return np.where((order < tested)[None, :, None, :], dice, np.nan)


@pytest.mark.parametrize(("patients", "tested"), [(24, 6), (100, 25)])
def test_intervals_cover_where_each_seed_has_a_split_of_its_own(patients: int, tested: int) -> None:
    rng = np.random.default_rng(patients)
    mix, seeds, hits, nested = MIXES["volumes"], 5, [], []
    for _ in range(20):
        dice = own_splits(mix.draw(rng, 25, seeds, patients, 1), tested, rng)
        seen = np.isfinite(dice[0, :, 0]).any(axis=0)
        found = summary(dice[..., seen], np.arange(seen.sum()), 300)
        error = np.abs(found.means.mean - MEAN)
        hits.append([np.mean(error <= found.half), np.mean(np.abs(found.tests.mean) <= found.test_half)])
        nested.append(np.mean(error <= stats.t.ppf(0.975, seeds - 1) * found.means.sd / np.sqrt(seeds)))
    for share in np.mean(hits, axis=0):
        assert near(float(share), 0.95, 500, allowed=0.03)
    assert np.mean(nested) < 0.92  # as if no two splits shared a test patient


def test_splits_without_a_common_test_patient_vary_as_their_seeds_do() -> None:
    dice = MIXES["even"].draw(np.random.default_rng(0), 1, 8, 8 * 30, 1)
    apart = np.where(np.repeat(np.eye(8), 30, axis=1)[None, :, None, :] > 0, dice, np.nan)
    found = summary(apart, np.arange(8 * 30), 4000)
    exact = stats.t.ppf(0.975, 7) * found.means.sd / np.sqrt(8)  # patients are in the variance of their seeds
    assert found.half == pytest.approx(exact, rel=0.1)


def test_a_mean_over_three_seeds_does_not_cover_where_some_lose_a_class() -> None:
    """All three keep the class, or all lose it, in 37 % of sets, and such seeds do not tell that others differ."""
    alike = 0.3**3 + 0.7**3
    mean, difference = coverage(COLLAPSING["quiet"], 3, sets=500, draws=400)
    assert near(mean, 1 - alike, 500, allowed=0.02), "a quiet interval covers only where seeds disagree"
    assert near(difference, 0.96, 500, allowed=0.015), "what two recipes lose is equally likely, and cancels"


def alarms(seeds: int, sets: int, recipes: int = 6, rounds: int = 3) -> tuple[float, float]:
    """Share of false alarms, of single tests and of families of all pairs x budgets after Holm, without any effect.

    Volumes are hard or easy for each recipe in its own way, of mean 0 over the volumes at hand: a test by seeds asks
    about these.
    """
    rng = np.random.default_rng(seeds)
    volumes = rng.normal(0, 0.1, (sets, recipes, 1, rounds, 12))
    volumes -= volumes.mean(axis=-1, keepdims=True)
    dice = volumes + rng.normal(0, 0.03, (sets, recipes, seeds, rounds, 1))
    dice = dice + rng.normal(0, 0.05, (sets, recipes, seeds, rounds, 12))
    scores = dice.mean(axis=-1)
    first, second = np.triu_indices(recipes, k=1)
    p = paired(np.moveaxis(scores[:, first] - scores[:, second], 2, -1)).p  # (sets, pairs, rounds)
    tests = p.reshape(sets, -1)
    assert (holm(tests[0]) < 0.05).any() == (tests[0].min() * tests.shape[1] < 0.05)  # Holm's first step decides
    families = tests.min(axis=1) * tests.shape[1] < 0.05
    return float((p < 0.05)[:, 0, 0].mean()), float(np.mean(families))


@pytest.mark.parametrize("seeds", [3, 5])
def test_false_alarms(seeds: int) -> None:
    single, family = alarms(seeds, sets=400)
    assert near(single, 0.05, 400)
    assert family <= stats.binom.ppf(0.999, 400, 0.05) / 400


def beaten(runs: int, shift: float, sets: int) -> float:
    """Share of sets whose interval holds the true probability that a run from N(shift, 1) beats one from N(0, 1)."""
    rng = np.random.default_rng(runs)
    truth = stats.norm.cdf(shift / np.sqrt(2))
    ours, others = rng.normal(shift, 1, (sets, runs)), rng.normal(0, 1, (sets, runs))
    found = [improvement(a, b) for a, b in zip(ours, others, strict=True)]
    return float(np.mean([low <= truth <= high for _, low, high in found]))


@pytest.mark.parametrize("runs", [3, 5])
@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_probability_of_improvement_covers(runs: int, shift: float) -> None:
    share = beaten(runs, shift, sets=400)
    assert (
        share >= stats.binom.ppf(0.001, 400, 0.95) / 400
    )  # coverage may be higher: with few runs the share takes few values


def middles(mix: Mix, seeds: int, sets: int, draws: int, patients: int = 25) -> float:
    """Share of ``sets`` data sets whose interval of the interquartile mean holds the true one, that of a bell curve."""
    rng = np.random.default_rng(seeds)
    patient, resampling = np.arange(patients), Resampling.of(patients, 0, draws)
    found = []
    for _ in range(sets):
        dice = mix.draw(rng, 1, seeds, patients, 1)[0, :, 0]
        found.append(middle(dice.mean(axis=-1), resampling.runs(dice, patient), resampling))
    return float(np.mean([low <= MEAN <= high for _, low, high in found]))


def test_interquartile_mean_covers() -> None:
    assert near(middles(MIXES["even"], 3, sets=300, draws=300), 0.96, 300, allowed=0.015)


def rising(seeds: int, sets: int, rate: float = 12.0, draws: int = 300) -> tuple[float, float]:
    """Shares of sets of curves with a fit and an interval, and of those whose interval holds the true rate."""
    rng = np.random.default_rng(seeds)
    x = np.broadcast_to([0.02, 0.05, 0.1, 0.2, 0.4], (seeds, 5))
    known = hits = 0
    for _ in range(sets):
        mine = rate * np.exp(rng.normal(0, 0.2, (seeds, 1)))
        y = 0.9 - 0.5 * np.exp(-mine * (x - 0.02)) + rng.normal(0, 0.01, x.shape)
        _, low, high = efficiency(x[None], y[None], 0.9, 0, draws)[0]
        known += np.isfinite(low)
        hits += low <= rate <= high
    return known / sets, hits / max(known, 1)


def test_foreground_efficiency_covers() -> None:
    known, share = rising(5, sets=200)
    assert known == 1.0
    assert near(share, 0.95, 200, allowed=0.02)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """The numbers that the docstrings state; read them with -s."""
    with capsys.disabled():
        print("\ncoverage of nominal 95 % intervals over 25 volumes, 2,000 sets: mean / paired difference")
        for name, mix in MIXES.items():
            for seeds in (2, 3, 5, 10):
                mean, difference = coverage(mix, seeds, sets=2000, draws=1000)
                print(f"{name:8} {seeds:2} seeds: {mean:.3f} / {difference:.3f}")
                if seeds > 2:
                    assert near(mean, 0.95, 2000, allowed=0.025) and near(difference, 0.95, 2000, allowed=0.025)
        print("the same where three runs of ten lose a class, 2,000 sets")
        for name, mix in COLLAPSING.items():
            for seeds in (3, 5, 10):
                mean, difference = coverage(mix, seeds, sets=2000, draws=1000)
                print(f"{name:8} {seeds:2} seeds: {mean:.3f} / {difference:.3f}")
        print("coverage of the interquartile mean, 1,000 sets")
        for name, mix in MIXES.items():
            print(
                f"{name:8}", *(f"{seeds}: {middles(mix, seeds, sets=1000, draws=400):.3f}" for seeds in (2, 3, 5, 10))
            )
        print("false alarms at .05, 4,000 sets of 6 recipes x 3 budgets: one test / family after Holm")
        for seeds in (2, 3, 5, 10):
            single, family = alarms(seeds, sets=4000)
            print(f"{seeds:2} seeds: {single:.3f} / {family:.3f}")
            assert near(single, 0.05, 4000) and family <= stats.binom.ppf(0.999, 4000, 0.05) / 4000
        print("coverage of the probability of improvement (.5, .75, .86, .98), 4,000 sets")
        for runs in (2, 3, 5, 10):
            print(f"{runs:2} runs:", *(f"{beaten(runs, shift, sets=4000):.3f}" for shift in (0.0, 0.95, 1.5, 3.0)))
        print("foreground efficiency, 1,000 sets: share with an interval / coverage")
        for seeds in (2, 3, 5, 10):
            known, share = rising(seeds, sets=1000, draws=1000)
            print(f"{seeds:2} seeds: {known:.3f} / {share:.3f}")
