"""Foreground efficiency: how fast the score goes to its full-data value as foreground is annotated.

After nnActive (arXiv 2511.19183): y(x) = c - a exp(-rate (x - x0)), with x the annotated share of the training data's
foreground and c the score where everything is annotated. x0 is the smallest x of a setting and a = c - mean score
there: both are shared by all recipes, and only the rate is fitted. With an ``a`` of its own, a recipe that starts well
and then rises slowly would be rated lower than one that is worse throughout.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench.report.statistics.bootstrap import LEVEL, RESAMPLES, shares
from bench.report.statistics.grid import known_mean

FEWEST = 2
"""Fewest budgets of a recipe."""
TRIED = np.geomspace(1e-2, 1e3, 400)
"""Candidate rates, for x scaled to 0..1; if the best is the first or last, no exponential fits."""
DEFINED = 0.95
"""Share of draws that must have a fit for an interval, 0..1."""
SAME = 1e-9
"""Relative difference below which two starts, or two fits, are equal."""
STEEPEST = 300.0
"""Largest exponent: a fit that far from a point is never the best, and its square is still a number."""


def starts(
    x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest amount x0 (B,) and the mean score there (B,), under weights (B, S) of the seeds.

    x, y: (M, S, R), increasing in the rounds. Amounts are means over seeds, so x0 is the first round of one recipe, or
    of several that start alike. NaN where no recipe's first round is known.
    """
    known = np.isfinite(x[:, :, 0]) & np.isfinite(y[:, :, 0])
    total = known.astype(float) @ weights.T  # (M, B)
    amount, score = (
        np.divide(np.where(known, v[:, :, 0], 0) @ weights.T, total, out=np.full_like(total, np.nan), where=total > 0)
        for v in (x, y)
    )
    start = np.fmin.reduce(amount, axis=0)
    there = np.where(amount <= start * (1 + SAME), score, np.nan)
    return start, known_mean(there, axis=0)


def rates(
    x: NDArray[np.float64], y: NDArray[np.float64], full: float, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the rates (M, B) of the least-squares fits to points ``x``, ``y`` (M, S, R) under weights (B, S) of seeds.

    NaN points are left out. All draws are searched together: on a grid of rates, then at the bottom of the parabola
    through the best three. NaN if no rising exponential towards ``full`` fits: the start is not below ``full``, scores
    fall or stay, all exceed ``full``, or there are fewer than :data:`FEWEST` budgets.
    """
    out = np.full((len(x), len(weights)), np.nan)
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any() or not math.isfinite(full) or not np.ptp(x[known]):
        return out
    least, span = x[known].min(), np.ptp(x[known])
    start, score = starts(x, y, weights)
    depth = full - score
    ahead = np.exp(np.minimum(np.outer((start - least) / span, TRIED), STEEPEST))  # (B, rates)
    for m, here in enumerate(known):
        if here.any(axis=0).sum() < FEWEST:
            continue
        gap = np.where(here, full - y[m], 0.0)
        scaled = np.where(here, (x[m] - least) / span, 0.0)
        shape = np.where(here[..., None], np.exp(-scaled[..., None] * TRIED), 0.0)  # (S, R, rates)
        product = ahead * (weights @ np.einsum("sr,srg->sg", gap, shape))
        square = ahead**2 * (weights @ (shape**2).sum(axis=1))
        error = depth[:, None] * (depth[:, None] * square - 2 * product)  # sum of squares, less that of the gaps
        out[m] = _lowest(np.where(depth[:, None] > 0, error, np.nan)) / span
    return out


def _lowest(error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rate (B,) of least ``error`` (B, rates); NaN if it is at an end of the grid or unknown."""
    out = np.full(len(error), np.nan)
    known = np.flatnonzero(np.isfinite(error).all(axis=1))
    best = error.argmin(axis=1)
    ends = error[known][:, [0, -1]].min(axis=1)
    row = known[error[known, best[known]] < ends - SAME * np.abs(ends)]
    left, middle, right = (error[row, best[row] + step] for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.divide(left - right, 2 * bend, out=np.zeros_like(bend), where=bend > 0)
    out[row] = TRIED[best[row]] * np.exp(shift * math.log(TRIED[1] / TRIED[0]))
    return out


def efficiency(
    x: NDArray[np.float64], y: NDArray[np.float64], full: float, seed: int, draws: int = RESAMPLES
) -> NDArray[np.float64]:
    """Return the rate of each recipe and its 95 % interval, (M, 3), from all runs ``x``, ``y`` (M, S, R).

    The interval is over seeds, t (S - 1) on log scale; each draw takes the same seeds for all recipes and finds their
    common start anew. It takes ``full`` as known. It is NaN for one seed, and if a twentieth of the draws has no fit.
    """
    runs = np.isfinite(x * y).any(axis=2)
    rate = rates(x, y, full, np.ones((1, x.shape[1])))[:, 0]
    out = np.stack([rate, np.full_like(rate, np.nan), np.full_like(rate, np.nan)], axis=1)
    if x.shape[1] < 2 or not np.isfinite(rate).any():
        return out
    drawn = np.log(rates(x, y, full, shares(x.shape[1], draws, np.random.default_rng([seed, x.shape[1]]))))
    count = runs.sum(axis=1)
    for m in np.flatnonzero(np.isfinite(rate) & (count > 1) & (np.isfinite(drawn).mean(axis=1) >= DEFINED)):
        half = stats.t.ppf((1 + LEVEL) / 2, count[m] - 1) * np.nanstd(drawn[m], ddof=1)
        out[m, 1:] = rate[m] * math.exp(-half), rate[m] * math.exp(half)
    return out
