"""Statistics of a study: every number of a report that is more than a mean, computed from :class:`Results` alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alseg_core.metrics import curve
from alseg_core.vocabulary import BASELINE
from bench.report.runs.results import Results
from bench.report.setting import SETTING, references
from bench.report.statistics import aggregates, power, ranks
from bench.report.statistics.bootstrap import Resampling, basis
from bench.report.statistics.budget_summary import Summary, columns, summarise
from bench.report.statistics.efficiency import efficiency
from bench.report.statistics.grid import Grid, grid, known_mean
from bench.report.statistics.paired import ALPHA, SAME, holm, paired
from bench.report.statistics.penalty import matrix

CELLS = [
    *SETTING,
    "recipe",
    "round",
    "budget",
    "labelled",
    "cost",
    "validation",
    "fraction",
    "mean",
    "sd",
    "low",
    "high",
    "interval",
    "seeds",
    "volumes",
    "cover_radius",
    "best",
    "tied",
]
AREAS = [*SETTING, "recipe", "axis", "mean", "sd", "low", "high", "interval", "seeds"]
TESTS = [*SETTING, "round", "budget", "a", "b", "difference", "low", "high", "interval", "p", "p_holm", "seeds"]
PENALTIES = [*SETTING, "winner", "loser", "penalty", "penalty_holm"]
STANDING = [
    *SETTING,
    "recipe",
    "rank",
    "rank_seeds",
    "iqm",
    "iqm_low",
    "iqm_high",
    "improvement",
    "improvement_low",
    "improvement_high",
    "efficiency",
    "efficiency_low",
    "efficiency_high",
    "cover_radius",
]
POWERS = [
    *SETTING,
    "recipe",
    "round",
    "budget",
    "seeds",
    "difference",
    "sd_difference",
    "detectable",
    "seeds_needed",
    "seeds_needed_02",
    "tests",
    "detectable_holm",
    "seeds_needed_holm",
    "seeds_needed_02_holm",
]
CLAIM = 0.02
"""Difference in Dice that a study should be able to detect."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Analysis:
    """Long tables about Dice on test volumes, all with the columns dataset, annotation and schedule.

    A run's score in a round is the mean over its test volumes. Means and sd (ddof 1, NaN for one seed) are over the
    seeds of a recipe; comparisons of two recipes use the seeds that both have. low and high are 95 % intervals (see
    ``statistics.bootstrap``); ``interval`` is what they are over: "seeds x volumes", "volumes" for one seed, "seeds"
    for one patient, "" for neither. NaN = cannot be computed. References, which read ground truth, are in cells, areas,
    power and standing and have uncorrected tests, but no rank and no part in best, tied, penalties and Holm's families.
    """

    cells: pd.DataFrame
    """One row per recipe and budget; columns :data:`CELLS`.

    cost: of the labels of the pool. validation: of the validation masks, which ``cost`` does not hold. Both are in
    full-slice equivalents. volumes: number scored. best: highest mean among the recipes with the most seeds at this
    budget, if they are several. tied: the best, and those not significantly worse in a Holm-corrected test against it.
    One seed allows no test.
    """
    areas: pd.DataFrame
    """AUBC of complete runs, over axis "slices" or "cost"; columns :data:`AREAS`.

    The area over cost is that of the window which all complete runs of the setting cover, from the largest first to the
    smallest last cost, interpolated linearly. If there is none (a recipe starts above another's last cost), it is
    missing.
    """
    tests: pd.DataFrame
    """One row per budget and pair of recipes; columns :data:`TESTS`.

    difference: mean of a - b. p: two-sided t-test paired by seed. p_holm: corrected over all pairs x budgets of the
    setting. Rows with budget "AUBC" (on slices) have round -1 and are a family of their own. Pairs that are identical
    in all seeds, such as shared first rounds, are not tested: p is NaN and they do not count in a family. p is about
    seeds on these volumes; the interval also covers other volumes, and is wider. Where each seed has a split of its
    own, p is about seeds with their splits, as if no patient were in two of them.
    """
    penalties: pd.DataFrame
    """One row per ordered pair, columns :data:`PENALTIES`; penalty: share of budgets at which loser is worse."""
    standing: pd.DataFrame
    """One row per recipe over all budgets; columns :data:`STANDING`.

    rank: mean over budgets and seeds, 1 is best, on complete runs of the rank_seeds seeds that all ranked recipes have;
    a recipe without a common seed is not ranked. iqm: mean of the middle half of the AUBC on slices of
    complete runs. improvement: probability that a run has a higher AUBC than a run of random; NaN for
    random. efficiency: of annotated foreground, see ``statistics.efficiency``; needs runs of the dataset and
    annotation, of any schedule, with everything annotated. cover_radius: mean over rounds.
    """
    power: pd.DataFrame
    """Differences from random that these seeds can detect, with power .8; columns :data:`POWERS`.

    detectable: smallest such mean difference. seeds_needed: seeds to detect a difference as large as observed;
    seeds_needed_02: one of .02 Dice; inf beyond 1000. tests: size m of the test's Holm family. *_holm: the same at
    level .05 / m, which the largest difference of the family must pass (a bound for Holm); NaN for references, which
    are in no family. All are NaN for identical runs, such as shared first rounds.
    """


def analyse(results: Results, seed: int = 0) -> Analysis:
    """Analyse every setting of ``results``. seed: of the bootstrap; equal input and seed give equal numbers."""
    complete = _full_data(results)
    settings: list[tuple[dict[str, Any], _Setting]] = []
    for names, volumes in results.volume_dice.groupby(SETTING, sort=False):
        setting = dict(zip(SETTING, names, strict=True))
        own = np.logical_and.reduce([results.scores[name] == value for name, value in setting.items()])
        full = complete.get((str(setting["dataset"]), str(setting["annotation"])), (math.nan, math.nan))
        settings.append((setting, _Setting(grid(results.scores[own], volumes, results.recipes), full, seed)))

    def table(part: str, columns: list[str]) -> pd.DataFrame:
        rows = [{**setting, **row} for setting, analysis in settings for row in getattr(analysis, part)()]
        return pd.DataFrame(rows, columns=columns)

    return Analysis(
        cells=table("cells", CELLS),
        areas=table("areas", AREAS),
        tests=table("tests", TESTS),
        penalties=table("penalties", PENALTIES),
        standing=table("standing", STANDING),
        power=table("power", POWERS),
    )


def _full_data(results: Results) -> dict[tuple[str, str], tuple[float, float]]:
    """Return (dataset, annotation) -> mean Dice and foreground pixels of the runs with everything annotated."""
    scores = results.scores
    rows = scores[(scores["metric"] == "dice") & (scores["fraction"] > 1 - 1e-9)]
    found = {}
    for (dataset, annotation), part in rows.groupby(["dataset", "annotation"]):
        foreground = float(part["foreground"].mean()) if "foreground" in part else math.nan
        found[str(dataset), str(annotation)] = (float(part["value"].mean()), foreground)
    return found


class _Setting:
    """Rows of the tables of one setting."""

    def __init__(self, runs: Grid, full: tuple[float, float], seed: int) -> None:
        self.runs, self.full, self.seed = runs, full, seed
        self.resampling = Resampling.of(int(runs.patient.max()) + 1, seed)
        self.patients = self.resampling.patients.shape[1]
        self.competes = ~references(runs.recipes)
        self.first, self.second = np.triu_indices(len(runs.recipes), k=1)
        *self.budgets, self.slices, self.cost = (
            summarise(column, self.first, self.second, self.resampling) for column in columns(runs, self.resampling)
        )
        self.holm = self._holm(self.budgets)
        self.holm_area = self._holm([self.slices])

    def _holm(self, family: list[Summary]) -> Floats:
        """Return corrected p of all pairs of competitors in ``family``, (columns, pairs); NaN for other pairs."""
        p = np.array([column.tests.p for column in family])
        rivals = self.competes[self.first] & self.competes[self.second]
        out = np.full_like(p, np.nan)
        out[:, rivals] = holm(p[:, rivals].ravel()).reshape(len(family), -1)
        return out

    def _mean(self, column: Summary, m: int) -> dict[str, Any]:
        """Return the mean of a recipe with its interval, clipped to 0..1."""
        mean, half, seeds = column.means.mean[m], column.half[m], int(column.means.count[m])
        return {
            "mean": mean,
            "sd": column.means.sd[m],
            "low": max(mean - half, 0.0),
            "high": min(mean + half, 1.0),
            "interval": basis(seeds, self.patients),
            "seeds": seeds,
        }

    def cells(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of :data:`CELLS`."""
        runs = self.runs
        scored = np.isfinite(runs.dice).any(axis=1).sum(axis=-1)  # (M, R)
        amounts = ("labelled", "cost", "validation", "fraction")
        known = {name: known_mean(runs.amounts[name], axis=1) for name in amounts}
        known |= {"cover_radius": known_mean(runs.radius, axis=1)}
        for r, column in enumerate(self.budgets):
            best, tied = self._leaders(column, self.holm[r])
            for m in np.flatnonzero(column.means.count):
                yield {
                    "recipe": runs.recipes[m],
                    "round": column.round,
                    "budget": column.budget,
                    **{name: values[m, r] for name, values in known.items()},
                    **self._mean(column, int(m)),
                    "volumes": int(scored[m, r]),
                    "best": bool(best[m]),
                    "tied": bool(tied[m]),
                }

    def _leaders(self, column: Summary, corrected: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which recipes (M,) are best at a budget, and which are best or not significantly worse."""
        seeds, mean = column.means.count, column.means.mean
        best = self.competes & (seeds > 0)
        if not best.any():
            return best, best
        most = best & (seeds == seeds[best].max())
        if most.sum() < 2 <= best.sum():  # the only recipe with all seeds has no other to be compared with
            return np.zeros_like(best), np.zeros_like(best)
        best = most
        best &= mean >= mean[best].max() - SAME
        tied = best.copy()
        both = self.competes[self.first] & self.competes[self.second]
        leader = int(np.flatnonzero(best)[0])
        for one, others, sign in ((self.first, self.second, 1), (self.second, self.first, -1)):
            worse = (corrected < ALPHA) & (sign * column.tests.mean > 0)
            tied[others[(one == leader) & (np.isfinite(corrected) | both & column.tests.same) & ~worse]] = True
        return best, tied

    def areas(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of :data:`AREAS`."""
        for axis, column in (("slices", self.slices), ("cost", self.cost)):
            for m in np.flatnonzero(column.means.count):
                yield {"recipe": self.runs.recipes[m], "axis": axis, **self._mean(column, int(m))}

    def tests(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of :data:`TESTS`."""
        names = self.runs.recipes
        for column, corrected in zip([*self.budgets, self.slices], [*self.holm, *self.holm_area], strict=True):
            tests = column.tests
            low, high = np.clip([tests.mean - column.test_half, tests.mean + column.test_half], -1, 1)
            for k in np.flatnonzero(tests.count):
                yield {
                    "round": column.round,
                    "budget": column.budget,
                    "a": names[self.first[k]],
                    "b": names[self.second[k]],
                    "difference": tests.mean[k],
                    "low": low[k],
                    "high": high[k],
                    "interval": basis(int(tests.count[k]), self.patients),
                    "p": tests.p[k],
                    "p_holm": corrected[k],
                    "seeds": int(tests.count[k]),
                }

    def penalties(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of :data:`PENALTIES`."""
        names = self.runs.recipes
        difference, p = (np.array([getattr(c.tests, what) for c in self.budgets]).T for what in ("mean", "p"))
        plain, corrected = (matrix(difference, by, self.first, self.second, len(names)) for by in (p, self.holm.T))
        rivals = np.flatnonzero(self.competes)
        for i in rivals:
            for j in rivals[rivals != i]:
                yield {"winner": names[i], "loser": names[j], "penalty": plain[i, j], "penalty_holm": corrected[i, j]}

    def standing(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of :data:`STANDING`."""
        runs = self.runs
        kept, common = ranks.compared(runs.whole & self.competes[:, None])
        rank = np.full(len(runs.recipes), np.nan)
        if kept.any():
            rank[kept] = ranks.average(runs.scores[kept][:, common])
        radius = known_mean(known_mean(runs.radius, axis=1), axis=1)
        score, foreground = self.full
        rising = efficiency(runs.amounts["foreground"] / foreground, runs.scores, score, self.seed)
        for m, recipe in enumerate(runs.recipes):
            yield {
                "recipe": recipe,
                "rank": rank[m],
                "rank_seeds": int(common.sum()) if kept[m] else 0,
                **_three("iqm", self._middle(m)),
                **_three("improvement", self._improvement(m)),
                **_three("efficiency", rising[m]),
                "cover_radius": radius[m],
            }

    def _middle(self, m: int) -> tuple[float, float, float]:
        """Return the interquartile mean of the areas of a recipe's complete runs, with its interval."""
        runs, whole = self.runs, self.runs.whole[m]
        weights = curve.weights(runs.amounts["labelled"][m, whole])
        known = np.isfinite(weights).all(axis=-1)
        scores, dice, weights = runs.scores[m, whole][known], runs.dice[m, whole][known], weights[known]
        drawn = (weights * self.resampling.runs(dice, runs.patient)).sum(axis=-1)
        return aggregates.middle((weights * scores).sum(axis=-1), drawn, self.resampling)

    def _improvement(self, m: int) -> tuple[float, float, float]:
        """Return the probability that a run has a larger area than a run of random, over common seeds."""
        names, areas = self.runs.recipes, self.slices.scores
        if names[m] == BASELINE or BASELINE not in names:
            return math.nan, math.nan, math.nan
        random = areas[names.index(BASELINE)]
        both = np.isfinite(areas[m]) & np.isfinite(random)
        return aggregates.improvement(areas[m, both], random[both])

    def power(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of :data:`POWERS`."""
        names = self.runs.recipes
        if BASELINE not in names:
            return
        baseline = names.index(BASELINE)
        families = [int(np.isfinite(family).sum()) for family in (self.holm, self.holm_area)]
        for column, tests in [*((column, families[0]) for column in self.budgets), (self.slices, families[1])]:
            test = paired(column.scores - column.scores[baseline])
            spread = np.where(test.same, np.nan, test.sd)
            corrected = np.where(self.competes & self.competes[baseline] & (tests > 0), spread, np.nan)
            as_seen, claim = power.seeds_needed(test.mean, spread), power.seeds_needed(CLAIM, spread)
            as_seen_holm, claim_holm = (power.seeds_needed(d, corrected, tests) for d in (test.mean, CLAIM))
            for m in np.flatnonzero(test.count):
                if m != baseline:
                    yield {
                        "recipe": names[m],
                        "round": column.round,
                        "budget": column.budget,
                        "seeds": int(test.count[m]),
                        "difference": test.mean[m],
                        "sd_difference": test.sd[m],
                        "detectable": power.detectable(float(spread[m]), int(test.count[m])),
                        "seeds_needed": as_seen[m],
                        "seeds_needed_02": claim[m],
                        "tests": tests if self.competes[m] else math.nan,
                        "detectable_holm": power.detectable(float(corrected[m]), int(test.count[m]), tests),
                        "seeds_needed_holm": as_seen_holm[m],
                        "seeds_needed_02_holm": claim_holm[m],
                    }


def _three(name: str, values: Iterable[float]) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), map(float, values), strict=True))
