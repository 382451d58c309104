"""One number per recipe (Agarwal et al., "Deep RL at the Edge of the Statistical Precipice", 2021)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from bench.report.statistics.bootstrap import LEVEL, Resampling, half_width, variation


def iqm(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the interquartile mean (B,), that of the middle half, of ``values`` (B, N) under ``weights`` (B, N).

    One row of either stands for all. Values at the quartiles count by the share of their weight inside, so any N is
    allowed. NaN if all weights of a row are 0.
    """
    values, weights = np.broadcast_arrays(values, weights)
    order = np.argsort(values, axis=1, kind="stable")
    values, weights = (np.take_along_axis(array, order, axis=1) for array in (values, weights))
    with np.errstate(invalid="ignore"):
        upper = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    inside = np.diff(np.clip(upper, 0.25, 0.75), axis=1, prepend=0.25)
    return np.asarray((inside * values).sum(axis=1) / 0.5)


def middle(
    areas: NDArray[np.float64], drawn: NDArray[np.float64], resampling: Resampling
) -> tuple[float, float, float]:
    """Return the interquartile mean of the ``areas`` (S,) of runs, and its 95 % interval in 0..1.

    A run counts once, however many test volumes it was scored on: a middle half over runs and volumes would leave out
    hard and easy patients, not bad and good runs. drawn: the areas with volumes resampled, (B, S). The interval is that
    of a mean (:mod:`bench.report.statistics.bootstrap`), over seeds and volumes.
    """
    if not len(areas):
        return math.nan, math.nan, math.nan
    seeds, even = resampling.seeds(len(areas)), np.ones((1, len(areas)))
    draws = (iqm(drawn, seeds), iqm(drawn, even), iqm(areas[None], seeds))
    varies = variation(*(values[:, None] for values in draws))
    found = float(iqm(areas[None], even)[0])
    half = half_width(varies.seeds, varies.volumes, len(areas), resampling.patients.shape[1]).item()
    return found, max(found - half, 0.0), min(found + half, 1.0)


def improvement(ours: NDArray[np.float64], others: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the probability that a run of ``ours`` (n,) beats one of ``others`` (m,), and its 95 % interval.

    Ties count one half. The probability is Mann and Whitney's, over all pairs of runs. The interval is Newcombe's
    (method 5, Statistics in Medicine 25, 2006) with a continuity correction of half a pair, because a bootstrap of runs
    that all won would claim certainty even after two runs; this interval is .45 to 1 after three against three. It
    holds the truth in 95 to 100 % of simulated cases from two runs on (without the correction 90 % with three). It is
    over runs on these test volumes. NaN without runs.
    """
    if not len(ours) or not len(others):
        return math.nan, math.nan, math.nan
    above = np.sign(ours[:, None] - others[None, :])
    found = float(np.mean((above + 1) / 2))
    pairs, extra = above.size, (len(ours) + len(others)) / 2 - 1
    z = stats.norm.ppf((1 + LEVEL) / 2)

    def excess(p: float) -> float:
        """Return the squared distance from the estimate minus z squared times Hanley and McNeil's variance at ``p``."""
        variance = p * (1 - p) * (1 + extra * ((1 - p) / (2 - p) + p / (1 + p))) / pairs
        return float(max(abs(p - found) - 0.5 / pairs, 0.0) ** 2 - z**2 * variance)

    edge = 1e-9
    low = optimize.brentq(excess, 0.0, min(found, 1 - edge)) if found > edge else 0.0
    high = optimize.brentq(excess, max(found, edge), 1.0) if found < 1 - edge else 1.0
    return found, float(low), float(high)
