"""What a study shows: every number of a report that is more than a mean, from :class:`Results` alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
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
"""Dice that one would like to tell apart."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Analysis:
    """Long tables, all with the columns dataset, annotation, schedule. Everything is about Dice on test volumes.

    A run's score in a round is the mean over its test volumes; means and sd (ddof 1, NaN for one seed) are over seeds,
    of the seeds that a recipe has. Whatever compares two recipes uses the seeds that both have. low and high are 95 %
    intervals (see ``statistics.bootstrap``), ``interval`` says over what: "seeds x volumes", "volumes" for one seed,
    "seeds" for one patient, "" for neither. What cannot be computed is NaN. Recipes named oracle_* are references:
    they are in cells, areas, power and standing and have uncorrected tests, but no rank and no part in best, tied,
    penalties and Holm's families.

    cells: one row a recipe and budget. volumes: how many were scored. best: highest mean of those that have the most
    seeds at this budget, where that is more than one; tied: the best, and those that a Holm-corrected test with it was
    made for and did not find worse. With one seed no test can be made.

    areas: AUBC of runs that have all rounds; axis "slices" or "cost". Over cost the area is that of one window
    that all whole runs of the setting cover, from the largest first to the smallest last cost, interpolated linearly;
    where there is none (a recipe that begins dearer than another ends) no recipe has it.

    tests: one row a budget and pair of recipes, difference = mean of a - b; p of the two-sided paired t-test over
    seeds, p_holm over all pairs x budgets of the setting. Rows with budget "AUBC" (on slices) have round -1 and are a
    family of their own. Pairs that are the very same in all seeds, as first rounds that recipes share, are no tests:
    p is NaN and they do not count in a family. p is about seeds on these
    volumes; the interval is about other volumes too, and wider.

    penalties: one row an ordered pair; penalty: share of budgets at which loser is significantly worse.

    standing: rank: mean over budgets and seeds, 1 is best, on whole runs of the seeds that all ranked recipes have
    (rank_seeds of them; a recipe without a common seed is not ranked). iqm: mean of the middle half of all AUBC on
    slices, one value a whole run and test volume. improvement: probability that a run of the recipe has a higher AUBC
    than one of random; NaN for random. efficiency: of annotated foreground, see ``statistics.efficiency``; needs
    runs of the same dataset and annotation with everything annotated, of any schedule. cover_radius: mean over rounds.

    power: against random. detectable: smallest mean difference that the seeds at hand find with power .8.
    seeds_needed: seeds that would find a difference as large as seen, seeds_needed_02: one of .02 Dice; inf beyond
    1000. tests: size m of Holm's family that the test is in; *_holm: the same at level .05 / m, which is what the
    largest difference of the family must pass (a bound for Holm); NaN for references, which are in no family. All are
    NaN where the runs are the very same, as in first rounds that recipes share.
    """

    cells: pd.DataFrame
    areas: pd.DataFrame
    tests: pd.DataFrame
    penalties: pd.DataFrame
    standing: pd.DataFrame
    power: pd.DataFrame


def analyse(results: Results, seed: int = 0) -> Analysis:
    """Analyse every setting of ``results``; ``seed`` is that of the bootstrap. Same input, same numbers."""
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
    """(dataset, annotation) -> mean Dice and foreground pixels of the runs that have everything annotated."""
    scores = results.scores
    rows = scores[(scores["metric"] == "dice") & (scores["fraction"] > 1 - 1e-9)]
    found = {}
    for (dataset, annotation), part in rows.groupby(["dataset", "annotation"]):
        foreground = float(part["foreground"].mean()) if "foreground" in part else math.nan
        found[str(dataset), str(annotation)] = (float(part["value"].mean()), foreground)
    return found


class _Setting:
    """The tables of one setting, as rows."""

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
        """Corrected p of all pairs of competitors in ``family``, (columns, pairs); NaN for other pairs."""
        p = np.array([column.tests.p for column in family])
        rivals = self.competes[self.first] & self.competes[self.second]
        out = np.full_like(p, np.nan)
        out[:, rivals] = holm(p[:, rivals].ravel()).reshape(len(family), -1)
        return out

    def _mean(self, column: Summary, m: int) -> dict[str, Any]:
        """Mean of a recipe with its interval; a mean Dice lies in 0..1."""
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
        """Rows of :data:`CELLS`."""
        runs = self.runs
        scored = np.isfinite(runs.dice).any(axis=1).sum(axis=-1)  # (M, R)
        known = {name: known_mean(runs.amounts[name], axis=1) for name in ("labelled", "cost", "fraction")}
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
        """Which recipes (M,) are the best at a budget, and which of the others are not known to be worse."""
        seeds, mean = column.means.count, column.means.mean
        best = self.competes & (seeds > 0)
        if not best.any():
            return best, best
        most = best & (seeds == seeds[best].max())
        if most.sum() < 2 <= best.sum():  # one recipe is ahead of the others in seeds, and in nothing that was compared
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
        """Rows of :data:`AREAS`."""
        for axis, column in (("slices", self.slices), ("cost", self.cost)):
            for m in np.flatnonzero(column.means.count):
                yield {"recipe": self.runs.recipes[m], "axis": axis, **self._mean(column, int(m))}

    def tests(self) -> Iterator[dict[str, Any]]:
        """Rows of :data:`TESTS`."""
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
        """Rows of :data:`PENALTIES`."""
        names = self.runs.recipes
        difference, p = (np.array([getattr(c.tests, what) for c in self.budgets]).T for what in ("mean", "p"))
        plain, corrected = (matrix(difference, by, self.first, self.second, len(names)) for by in (p, self.holm.T))
        rivals = np.flatnonzero(self.competes)
        for i in rivals:
            for j in rivals[rivals != i]:
                yield {"winner": names[i], "loser": names[j], "penalty": plain[i, j], "penalty_holm": corrected[i, j]}

    def standing(self) -> Iterator[dict[str, Any]]:
        """Rows of :data:`STANDING`."""
        runs = self.runs
        kept, common = ranks.compared(runs.whole & self.competes[:, None])
        rank = np.full(len(runs.recipes), np.nan)
        if kept.any():
            rank[kept] = ranks.average(runs.scores[kept][:, common])
        radius = known_mean(known_mean(runs.radius, axis=1), axis=1)
        for m, recipe in enumerate(runs.recipes):
            score, foreground = self.full
            whole = runs.whole[m]
            weights = curve.weights(runs.amounts["labelled"][m, whole])
            areas = np.einsum("sr,srv->sv", weights, runs.dice[m, whole])
            rising = efficiency(runs.amounts["foreground"][m] / foreground, runs.scores[m], score, self.seed)
            yield {
                "recipe": recipe,
                "rank": rank[m],
                "rank_seeds": int(common.sum()) if kept[m] else 0,
                **_three("iqm", aggregates.middle(areas, runs.patient, self.resampling)),
                **_three("improvement", self._improvement(m)),
                **_three("efficiency", rising),
                "cover_radius": radius[m],
            }

    def _improvement(self, m: int) -> tuple[float, float, float]:
        """Probability that a run's area is above that of a run of random, over the seeds both have."""
        names, areas = self.runs.recipes, self.slices.scores
        if names[m] == BASELINE or BASELINE not in names:
            return math.nan, math.nan, math.nan
        random = areas[names.index(BASELINE)]
        both = np.isfinite(areas[m]) & np.isfinite(random)
        return aggregates.improvement(areas[m, both], random[both])

    def power(self) -> Iterator[dict[str, Any]]:
        """Rows of :data:`POWERS`."""
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


def _three(name: str, values: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
