"""Means of the primary score on both sides, and their differences, paired by seed and volume where that may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alseg_core.metrics.curve import AUBC
from bench.diff.comparable import reason
from bench.diff.pairs import Pair
from bench.diff.side import Side
from bench.report.runs.results import Results
from bench.report.setting import Setting, rows_of
from bench.report.statistics.bootstrap import Resampling
from bench.report.statistics.budget_summary import Summary, columns, summarise
from bench.report.statistics.grid import grid
from bench.report.statistics.paired import FEW_SEEDS
from bench.study.primary import Primary

NAMES = ("A", "B")
"""Names of the sides."""
DRAWS = 0
"""Seed of the bootstrap, that of a report."""


@dataclass(frozen=True)
class Row:
    """The score of one recipe on both sides; NaN where a side has no complete run."""

    settings: tuple[Setting | None, Setting | None]
    """Setting on either side."""
    recipe: str
    """Name of the recipe."""
    scores: tuple[str, str]
    """Score in A and in B: "AUBC" or "Dice at" the side's last budget; "" where a side has none."""
    means: tuple[float, float]
    """Mean over seeds in A and in B."""
    seeds: tuple[int, int]
    """Seeds that have the score."""
    difference: float
    """Mean of B - A: over common seeds where they pair, or else the difference of both means; NaN across settings, and
    of different scores."""
    common: int
    """Seeds that pair; 0 where nothing pairs."""
    low: float = math.nan
    """Lower end of the 95 % interval of the difference, as a report computes it; NaN without one."""
    high: float = math.nan
    """Upper end."""
    apart: str | None = None
    """Why the difference is not paired: across settings, or no seed in common; None where it is, or one side lacks."""


def rows(pairs: Sequence[Pair], left: Side, right: Side) -> list[Row]:
    """Return a row for every recipe of every setting."""
    return [_row(pair, (left.results, right.results)) for pair in pairs]


def _row(pair: Pair, results: tuple[Results, Results]) -> Row:
    tables = [
        _tables(side, setting, pair.recipe, name)
        for side, setting, name in zip(results, pair.settings, NAMES, strict=True)
    ]
    primary = next((found for found in map(_primary, results, pair.settings) if found is not None), Primary())
    lasts = [max((len(run.budgets) for run in runs), default=0) - 1 for runs in pair.runs]
    why = reason(pair) if pair.both else None
    if why is None and all(len(volumes) for _, volumes in tables):
        both = _summary([pd.concat(some, ignore_index=True) for some in zip(*tables, strict=True)], primary, max(lasts))
        if both is not None and both.tests.count[0]:
            return _paired(pair, both)
    found = [_summary(some, primary, last) for some, last in zip(tables, lasts, strict=True)]
    scores = ["" if one is None else _name(one) for one in found]
    ours, theirs = (math.nan if one is None else float(one.means.mean[0]) for one in found)
    seeds = [0 if one is None else int(one.means.count[0]) for one in found]
    return Row(
        settings=pair.settings,
        recipe=pair.recipe,
        scores=(scores[0], scores[1]),
        means=(ours, theirs),
        seeds=(seeds[0], seeds[1]),
        difference=math.nan if why or scores[0] != scores[1] else theirs - ours,
        common=0,
        apart=f"across settings: {why}" if why else "no complete seed in common" if all(seeds) else None,
    )


def _paired(pair: Pair, both: Summary) -> Row:
    """Return the row of a recipe whose seeds pair. both: the column of A and B, with their difference B - A."""
    common, difference = int(both.tests.count[0]), float(both.tests.mean[0])
    half = float(both.test_half[0]) if common >= FEW_SEEDS else math.nan
    ours, theirs = map(float, both.means.mean)
    seeds = [int(count) for count in both.means.count]
    return Row(
        settings=pair.settings,
        recipe=pair.recipe,
        scores=(_name(both), _name(both)),
        means=(ours, theirs),
        seeds=(seeds[0], seeds[1]),
        difference=difference,
        common=common,
        low=difference - half,
        high=difference + half,
    )


def _primary(results: Results, setting: Setting | None) -> Primary | None:
    return None if setting is None else results.primary.get(setting)


def _tables(results: Results, setting: Setting | None, recipe: str, name: str) -> list[pd.DataFrame]:
    """Return scores and Dice of volumes of one recipe, which goes by the name of its side."""
    none = setting or ("", "", "")
    return [
        own[own["recipe"] == recipe].assign(recipe=name)
        for own in (rows_of(results.scores, none), rows_of(results.volume_dice, none))
    ]


def _summary(tables: Sequence[pd.DataFrame], primary: Primary, last: int) -> Summary | None:
    """Return the column of the primary score of one or two sides, B - A of two; None without volumes of the round."""
    scores, volumes = tables
    if not len(volumes):
        return None
    runs = grid(scores, volumes, [*NAMES])
    resampling = Resampling.of(int(runs.patient.max()) + 1, DRAWS)
    *budgets, slices, _, _ = columns(runs, resampling)
    column = slices if primary.metric == "aubc" and last else next((c for c in budgets if c.round == last), None)
    if column is None:
        return None
    second = np.arange(len(runs.recipes) - 1)
    return summarise(column, second + 1, second, resampling)


def _name(column: Summary) -> str:
    return AUBC if column.budget == AUBC else f"Dice at {column.budget}"
