"""One column of a comparison: a budget, or an area under the curve, of all recipes with all pairs of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alseg_core.metrics import curve
from bench.report.statistics.bootstrap import Resampling, Variation, half_width, of_means
from bench.report.statistics.grid import Grid
from bench.report.statistics.paired import Paired, paired

AREA_ROUND = -1
"""Round of rows that are about the area under the curve; their budget is :data:`alseg_core.metrics.curve.AUBC`."""
AXES = ("labelled", "cost")
"""Amounts that areas are taken over."""


@dataclass(frozen=True, eq=False)
class Column:
    """scores: (M, S) of the runs, NaN where missing. drawn: the same (B, M, S) with test volumes resampled."""

    round: int
    budget: str
    scores: NDArray[np.float64]
    drawn: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Summary:
    """What a column says, without its draws.

    means: mean, sd and number of seeds (M,) of the scores; half: half of its 95 % interval (M,). tests: of first minus
    second, (K,) for K pairs, over the seeds both have; test_half: half of its interval (K,).
    """

    round: int
    budget: str
    scores: NDArray[np.float64]
    means: Paired
    half: NDArray[np.float64]
    tests: Paired
    test_half: NDArray[np.float64]


def columns(runs: Grid, resampling: Resampling) -> Iterator[Column]:
    """Each budget, then the area over each of :data:`AXES`, of runs that have all rounds.

    Over labelled slices each run's own span counts, which is the schedule's. Over cost it is one window for all whole
    runs (:func:`curve.window`), or a dearer recipe would be measured on its own, longer axis and pay nothing. The area
    over cost is NaN for everyone where no cost lies within all runs' spans: a curve does not say what its recipe
    reaches outside of its span. An area's draws are sums of its budgets' draws, so its interval knows how rounds
    vary together.
    """
    shared = {"cost": curve.window(runs.amounts["cost"][runs.whole])}
    weights = {axis: curve.weights(runs.amounts[axis], shared.get(axis)) for axis in AXES}
    areas = {axis: np.zeros(()) for axis in AXES}
    for r, (number, budget) in enumerate(zip(runs.rounds, runs.budgets, strict=True)):
        drawn = resampling.runs(runs.dice[:, :, r], runs.patient)
        for axis in AXES:
            areas[axis] = areas[axis] + weights[axis][:, :, r] * drawn
        yield Column(number, budget, runs.scores[:, :, r], drawn)
    for axis in AXES:
        yield Column(AREA_ROUND, curve.AUBC, (weights[axis] * runs.scores).sum(axis=-1), areas[axis])


def summarise(column: Column, first: NDArray[np.intp], second: NDArray[np.intp], resampling: Resampling) -> Summary:
    """Means of a column and differences of the pairs ``first`` - ``second`` (K,), with intervals."""
    has = np.isfinite(column.scores)
    patients = resampling.patients.shape[1]
    half = np.full(len(has), np.nan)
    for rows, count, varies in _variations(column, has, resampling):
        half[rows] = half_width(np.diag(varies.seeds)[rows], np.diag(varies.volumes)[rows], count, patients)
    test_half = np.full(len(first), np.nan)
    for rows, count, varies in _variations(column, has[first] & has[second], resampling):
        a, b = first[rows], second[rows]
        seeds, volumes = (c[a, a] + c[b, b] - 2 * c[a, b] for c in (varies.seeds, varies.volumes))
        test_half[rows] = half_width(seeds, volumes, count, patients)
    return Summary(
        round=column.round,
        budget=column.budget,
        scores=column.scores,
        means=paired(column.scores),
        half=half,
        tests=paired(column.scores[first] - column.scores[second]),
        test_half=test_half,
    )


def _variations(
    column: Column, there: NDArray[np.bool_], resampling: Resampling
) -> Iterator[tuple[NDArray[np.intp], int, Variation]]:
    """Rows of ``there`` (K, S) with equal seeds, how many seeds, and how all recipes that have those vary together.

    The covariances (M, M) of recipes that lack one of these seeds are NaN.
    """
    has = np.isfinite(column.scores)
    for mask in np.unique(there, axis=0):
        seeds = np.flatnonzero(mask)
        if not len(seeds):
            continue
        members = np.flatnonzero(has[:, mask].all(axis=1))
        own = np.ix_(members, seeds)
        found = of_means(column.scores[own], column.drawn[:, members][:, :, seeds], resampling.seeds(len(seeds)))
        every = Variation(*(np.full((len(has), len(has)), np.nan) for _ in range(2)))
        square = np.ix_(members, members)
        every.seeds[square], every.volumes[square] = found.seeds, found.volumes
        yield np.flatnonzero((there == mask).all(axis=1)), len(seeds), every
