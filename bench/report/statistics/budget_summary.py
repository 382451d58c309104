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
AXES = ("labelled", "cost", "minutes")
"""Amounts that areas are computed over."""


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a comparison with its bootstrap draws."""

    round: int
    """Number of the round, or :data:`AREA_ROUND`."""
    budget: str
    """Budget as text, or "AUBC"."""
    scores: NDArray[np.float64]
    """Scores of the runs, (M, S), NaN = missing."""
    drawn: NDArray[np.float64]
    """The same with test volumes resampled, (B, M, S)."""


@dataclass(frozen=True, eq=False)
class Summary:
    """Statistics of a column, without its draws."""

    round: int
    """Number of the round, or :data:`AREA_ROUND`."""
    budget: str
    """Budget as text, or "AUBC"."""
    scores: NDArray[np.float64]
    """Scores of the runs, (M, S), NaN = missing."""
    means: Paired
    """Mean, sd and number of seeds of the scores, (M,)."""
    half: NDArray[np.float64]
    """Half of the 95 % interval of the means, (M,)."""
    tests: Paired
    """Differences first - second of K pairs over the seeds both have, (K,)."""
    test_half: NDArray[np.float64]
    """Half of their 95 % interval, (K,)."""
    joint_half: NDArray[np.float64]
    """The same, simultaneous over ``rivals`` comparisons, (K,)."""


def columns(runs: Grid, resampling: Resampling) -> Iterator[Column]:
    """Yield each budget, then the area over each of :data:`AXES`, of complete runs.

    The area over labelled slices uses each run's own span, which is the schedule's. The area over cost uses one window
    for all complete runs (:func:`curve.window`); otherwise an expensive recipe would be measured on a longer axis at no
    disadvantage. It is NaN for all recipes if no cost is within the span of every run, because a curve is unknown
    outside its span. That over minutes does the same. The draws of an area are sums of the draws of its budgets, so its
    interval reflects how rounds covary.
    """
    shared = {axis: curve.window(runs.amounts[axis][runs.whole]) for axis in ("cost", "minutes")}
    weights = {axis: curve.weights(runs.amounts[axis], shared.get(axis)) for axis in AXES}
    areas: dict[str, NDArray[np.float64]] = {}
    for r, (number, budget) in enumerate(zip(runs.rounds, runs.budgets, strict=True)):
        drawn = resampling.runs(runs.dice[:, :, r], runs.patient)
        for axis in AXES:
            part = weights[axis][:, :, r] * drawn
            areas[axis] = np.add(areas[axis], part, out=part) if axis in areas else part
        yield Column(number, budget, runs.scores[:, :, r], drawn)
    for axis in AXES:
        yield Column(AREA_ROUND, curve.AUBC, (weights[axis] * runs.scores).sum(axis=-1), areas[axis])


def summarise(
    column: Column, first: NDArray[np.intp], second: NDArray[np.intp], resampling: Resampling, rivals: int = 1
) -> Summary:
    """Return the means of a column and the differences of the pairs ``first`` - ``second`` (K,), with intervals.

    rivals: number of comparisons that the simultaneous intervals are for.
    """
    has = np.isfinite(column.scores)
    patients = resampling.patients.shape[1]
    half = np.full(len(has), np.nan)
    for rows, count, varies in _variations(column, has, resampling):
        half[rows] = half_width(np.diag(varies.seeds)[rows], np.diag(varies.volumes)[rows], count, patients)
    test_half, joint_half = np.full((2, len(first)), np.nan)
    for rows, count, varies in _variations(column, has[first] & has[second], resampling):
        a, b = first[rows], second[rows]
        seeds, volumes = (c[a, a] + c[b, b] - 2 * c[a, b] for c in (varies.seeds, varies.volumes))
        test_half[rows] = half_width(seeds, volumes, count, patients)
        joint_half[rows] = half_width(seeds, volumes, count, patients, rivals)
    return Summary(
        round=column.round,
        budget=column.budget,
        scores=column.scores,
        means=paired(column.scores),
        half=half,
        tests=paired(column.scores[first] - column.scores[second]),
        test_half=test_half,
        joint_half=joint_half,
    )


def _variations(
    column: Column, known: NDArray[np.bool_], resampling: Resampling
) -> Iterator[tuple[NDArray[np.intp], int, Variation]]:
    """Yield rows of ``known`` (K, S) with equal seeds, their number of seeds, and how recipes with those seeds covary.

    The covariances (M, M) of recipes that lack one of these seeds are NaN.
    """
    has = np.isfinite(column.scores)
    for mask in np.unique(known, axis=0):
        seeds = np.flatnonzero(mask)
        if not len(seeds):
            continue
        members = np.flatnonzero(has[:, mask].all(axis=1))
        own = np.ix_(members, seeds)
        found = of_means(column.scores[own], column.drawn[:, members][:, :, seeds], resampling.seeds(len(seeds)))
        every = Variation(*(np.full((len(has), len(has)), np.nan) for _ in range(2)))
        square = np.ix_(members, members)
        every.seeds[square], every.volumes[square] = found.seeds, found.volumes
        yield np.flatnonzero((known == mask).all(axis=1)), len(seeds), every
