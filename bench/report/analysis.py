"""Statistics of a study: every number of a report that is more than a mean, computed from :class:`Results` alone."""

from __future__ import annotations

import math
import typing
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alseg_core.metrics import curve
from alseg_core.vocabulary import BASELINE
from bench.report.runs.results import Results
from bench.report.setting import SETTING, Setting, references, rows_of
from bench.report.statistics import aggregates, power, ranks
from bench.report.statistics.bootstrap import Resampling, basis
from bench.report.statistics.budget_summary import Column, Summary, columns, summarise
from bench.report.statistics.efficiency import efficiency
from bench.report.statistics.grid import Grid, grid, known_mean
from bench.report.statistics.marks import marked
from bench.report.statistics.paired import FEW_SEEDS, holm, paired
from bench.report.statistics.penalty import matrix
from bench.study.controls import Controls
from bench.study.primary import Primary

CELLS = [
    *SETTING,
    "recipe",
    "round",
    "budget",
    "labelled",
    "cost",
    "validation",
    "minutes",
    "validation_minutes",
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
AREAS = [*SETTING, "recipe", "axis", "mean", "sd", "low", "high", "interval", "seeds", "best", "tied"]
PRIMARY = [*SETTING, "against", "metric", "round", "budget", "tests"]
TESTS = [*SETTING, "round", "budget", "a", "b", "difference", "low", "high", "interval", "p", "test", "p_holm", "seeds"]
PLANNED, EXPLORATORY = "planned", "exploratory"
PLANNED_CONTROL, PLANNED_REFERENCE = "planned, control", "planned, reference"
"""Kinds of tests."""
PENALTIES = [*SETTING, "winner", "loser", "penalty"]
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
    power and standing and have uncorrected tests, but no rank and no part in best, tied, penalties and the family of
    planned tests. Controls have no part in that family either.
    """

    cells: pd.DataFrame
    """One row per recipe and budget; columns :data:`CELLS`.

    cost: of the labels of the pool. validation: of the validation masks, which ``cost`` does not hold. Both are in
    full-slice equivalents. minutes, validation_minutes: what annotating both took; NaN in older runs. volumes: number
    scored. best, tied: see ``statistics.marks``; tied: the best, and those whose paired difference from it has an
    interval that includes 0, simultaneously over the comparisons with the best at this budget. Both are False with
    fewer than three seeds.
    """
    areas: pd.DataFrame
    """AUBC of complete runs, over axis "slices", "cost" or "minutes"; columns :data:`AREAS`.

    best, tied: as in cells. The area over cost is that of the window which all complete runs of the setting cover, from
    the largest first to the smallest last cost, interpolated linearly. If there is none (a recipe starts above
    another's last cost), it is missing. The area over minutes likewise.
    """
    tests: pd.DataFrame
    """One row per budget and pair of recipes; columns :data:`TESTS`.

    difference: mean of a - b. p: two-sided t-test paired by seed. test: "planned" for a recipe against the one that
    the primary comparison names, in its score; "planned, reference" and "planned, control" for the same test of a
    reference or of a control, whose answer is known; "exploratory" for all others. p_holm: corrected over the planned
    tests of the setting, NaN for others. Rows with budget "AUBC" (on slices) have round -1. Pairs that are identical in
    all seeds, such as shared first rounds, are not tested: p is NaN and they do not count in the family. p is about
    seeds on these volumes; the interval also covers other volumes, and is wider. Where each seed has a split of its
    own, p is about seeds with their splits, as if no patient were in two of them.
    """
    penalties: pd.DataFrame
    """One row per ordered pair with three seeds in common, columns :data:`PENALTIES`.

    penalty: share of budgets at which the interval of the difference shows loser to be worse; exploratory, each
    interval alone at 95 %.
    """
    standing: pd.DataFrame
    """One row per recipe over all budgets; columns :data:`STANDING`.

    rank: mean over budgets and seeds, 1 is best, on complete runs of the rank_seeds seeds that all ranked recipes have;
    a recipe without a common seed is not ranked. iqm: mean of the middle half of the AUBC on slices of complete runs.
    improvement: probability that a run has a higher AUBC than a run of the recipe that others are compared with, by
    default random; NaN for that one. efficiency: of annotated foreground, see ``statistics.efficiency``; needs runs of
    the dataset and annotation, of any schedule, with everything annotated. cover_radius: mean over rounds.
    """
    power: pd.DataFrame
    """Differences from the recipe of the primary comparison that these seeds detect with power .8; :data:`POWERS`.

    detectable: smallest such mean difference; inf where it is more than 1, which no difference in Dice can be.
    seeds_needed: seeds to detect a difference as large as observed; seeds_needed_02: one of .02 Dice; inf beyond 1000.
    tests: number m of planned tests, for these; NaN for others. *_holm: the same at level .05 / m, which the largest
    difference of the family must pass (a bound for Holm). All are NaN for identical runs, such as shared first rounds.
    """
    primary: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=PRIMARY))
    """One row per setting with a primary comparison: against, metric; round, budget: its column; tests: how many.

    A study of one budget has no AUBC: its planned tests are on Dice at that budget, whatever metric it declares.
    """


def analyse(results: Results, seed: int = 0) -> Analysis:
    """Analyse every setting of ``results``. seed: of the bootstrap; equal input and seed give equal numbers."""
    complete = _full_data(results)
    settings: list[tuple[dict[str, Any], _Setting]] = []
    for names, volumes in results.volume_dice.groupby(SETTING, sort=False):
        setting = dict(zip(SETTING, names, strict=True))
        own = np.logical_and.reduce([results.scores[name] == value for name, value in setting.items()])
        full = complete.get((str(setting["dataset"]), str(setting["annotation"])), (math.nan, math.nan))
        declared = results.primary.get(typing.cast(Setting, names), Primary())
        controls = results.controls.get(typing.cast(Setting, names), Controls()).wanted
        runs = grid(results.scores[own], volumes, results.recipes)
        listed = rows_of(results.runs, typing.cast(Setting, names))
        last = int(listed["wanted"].max()) - 1 if len(listed) else runs.rounds[-1]
        settings.append((setting, _Setting(runs, full, seed, declared, last, controls)))

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
        primary=table("primary", PRIMARY),
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

    def __init__(
        self,
        runs: Grid,
        full: tuple[float, float],
        seed: int,
        declared: Primary | None,
        last: int,
        controls: Collection[str],
    ) -> None:
        self.runs, self.full, self.seed = runs, full, seed
        self.resampling = Resampling.of(int(runs.patient.max()) + 1, seed)
        self.patients = self.resampling.patients.shape[1]
        self.competes = ~references(runs.recipes)
        self.first, self.second = np.triu_indices(len(runs.recipes), k=1)
        *self.budgets, self.slices, self.cost, self.minutes = (
            summarise(column, self.first, self.second, self.resampling, self._rivals(column))
            for column in columns(runs, self.resampling)
        )
        names = runs.recipes
        self.declared = declared if declared is not None and declared.against in names else None
        compared = BASELINE if self.declared is None else self.declared.against
        self.baseline = names.index(compared) if compared in names else None
        asked = [name == compared or name not in controls for name in names]
        self.family = self.competes & np.array(asked, dtype=bool)
        self.planned = self._planned(last)
        self.holm = self._holm()

    def _rivals(self, column: Column) -> int:
        """Return how many recipes may be compared with the best of a column."""
        return max(int((np.isfinite(column.scores).sum(axis=1) >= FEW_SEEDS)[self.competes].sum()) - 1, 1)

    def _planned(self, last: int) -> Summary | None:
        """Return the column of the primary comparison, given the number of the last round; None without one."""
        if self.declared is None:
            return None
        if self.declared.metric == "aubc" and last > 0:
            return self.slices
        return next((column for column in self.budgets if column.round == last), None)

    def _holm(self) -> Floats:
        """Return corrected p of all pairs, (K,), NaN for pairs that are not in the family of planned tests."""
        out = np.full(len(self.first), np.nan)
        if self.planned is not None:
            family = self._against() & self.family[self.first] & self.family[self.second]
            out[family] = holm(self.planned.tests.p[family])
        return out

    def _against(self) -> NDArray[np.bool_]:
        """Return which pairs, (K,), hold the recipe that all others are compared with."""
        return np.asarray((self.first == self.baseline) | (self.second == self.baseline))

    def primary(self) -> Iterator[dict[str, Any]]:
        """Yield the row of :data:`PRIMARY`."""
        if self.declared is not None and self.planned is not None:
            yield {
                "against": self.declared.against,
                "metric": self.declared.metric,
                "round": self.planned.round,
                "budget": self.planned.budget,
                "tests": int(np.isfinite(self.holm).sum()),
            }

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
        amounts = ("labelled", "cost", "validation", "minutes", "validation_minutes", "fraction")
        known = {name: known_mean(runs.amounts[name], axis=1) for name in amounts}
        known |= {"cover_radius": known_mean(runs.radius, axis=1)}
        for r, column in enumerate(self.budgets):
            best, tied = marked(column, self.first, self.second, self.competes)
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

    def areas(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of :data:`AREAS`."""
        for axis, column in (("slices", self.slices), ("cost", self.cost), ("minutes", self.minutes)):
            best, tied = marked(column, self.first, self.second, self.competes)
            for m in np.flatnonzero(column.means.count):
                marks = {"best": bool(best[m]), "tied": bool(tied[m])}
                yield {"recipe": self.runs.recipes[m], "axis": axis, **self._mean(column, int(m)), **marks}

    def tests(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of :data:`TESTS`."""
        names, rivals = self.runs.recipes, self.competes[self.first] & self.competes[self.second]
        apart = np.where(rivals, PLANNED_CONTROL, PLANNED_REFERENCE)
        family = self.family[self.first] & self.family[self.second]
        for column in (*self.budgets, self.slices):
            tests, planned = column.tests, self._against() & (column is self.planned)
            kinds = np.where(planned, np.where(family, PLANNED, apart), EXPLORATORY)
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
                    "test": str(kinds[k]),
                    "p_holm": self.holm[k] if planned[k] else math.nan,
                    "seeds": int(tests.count[k]),
                }

    def penalties(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of :data:`PENALTIES`."""
        names = self.runs.recipes
        difference, half, count = (
            np.array(values).T
            for values in zip(*((c.tests.mean, c.test_half, c.tests.count) for c in self.budgets), strict=True)
        )
        half = np.where(count >= FEW_SEEDS, half, np.nan)
        lost = matrix(difference, half, self.first, self.second, len(names))
        rivals = np.flatnonzero(self.competes)
        for i in rivals:
            for j in rivals[np.isfinite(lost[i, rivals])]:
                yield {"winner": names[i], "loser": names[j], "penalty": lost[i, j]}

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
        """Return the probability that a run has a larger area than one of the baseline, over common seeds."""
        if self.baseline in (None, m):
            return math.nan, math.nan, math.nan
        areas, base = self.slices.scores, self.slices.scores[self.baseline]
        both = np.isfinite(areas[m]) & np.isfinite(base)
        return aggregates.improvement(areas[m, both], base[both])

    def power(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of :data:`POWERS`."""
        for column in (*self.budgets, self.slices):
            if self.baseline is not None:
                yield from self._power(column, self.baseline)

    def _power(self, column: Summary, baseline: int) -> Iterator[dict[str, Any]]:
        tests = int(np.isfinite(self.holm).sum()) if column is self.planned else 0
        test = paired(column.scores - column.scores[baseline])
        spread = np.where(test.same, np.nan, test.sd)
        corrected = np.where(self.family & (tests > 0), spread, np.nan)
        as_seen, claim = power.seeds_needed(test.mean, spread), power.seeds_needed(CLAIM, spread)
        as_seen_holm, claim_holm = (power.seeds_needed(d, corrected, tests) for d in (test.mean, CLAIM))
        for m in np.flatnonzero(test.count):
            if m != baseline:
                seeds = int(test.count[m])
                yield {
                    "recipe": self.runs.recipes[m],
                    "round": column.round,
                    "budget": column.budget,
                    "seeds": seeds,
                    "difference": test.mean[m],
                    "sd_difference": test.sd[m],
                    "detectable": power.detectable(float(spread[m]), seeds),
                    "seeds_needed": as_seen[m],
                    "seeds_needed_02": claim[m],
                    "tests": tests if tests and self.family[m] else math.nan,
                    "detectable_holm": power.detectable(float(corrected[m]), seeds, tests),
                    "seeds_needed_holm": as_seen_holm[m],
                    "seeds_needed_02_holm": claim_holm[m],
                }


def _three(name: str, values: Iterable[float]) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), map(float, values), strict=True))
