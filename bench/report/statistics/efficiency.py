"""Foreground efficiency: how fast the score goes to its full-data value as foreground is annotated.

After nnActive (arXiv 2511.19183): y(x) = c - a exp(-rate (x - x0)), a > 0, with x the annotated share of the training
data's foreground and c the score where everything is annotated.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench.report.statistics.bootstrap import LEVEL, RESAMPLES, shares

TRIED = np.geomspace(1e-2, 1e3, 400)
"""Candidate rates, for x scaled to 0..1; if the best is the first or last, no exponential fits."""
FEWEST = 3
"""Fewest distinct x: two constants are fitted."""
DEFINED = 0.95
"""Share of draws that must have a fit for an interval, 0..1."""


def rates(
    x: NDArray[np.float64], y: NDArray[np.float64], full: float, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the rates (B,) of the least-squares fits to points ``x``, ``y`` (S, R) under weights (B, S) of the seeds.

    NaN points are left out. For a given rate the best a is linear, so only the rate is searched, for all draws
    together: on a grid, then at the top of the parabola through the best three. NaN if no rising exponential
    towards ``full`` fits: scores that fall, do not bend, or start above ``full``.
    """
    out = np.full(len(weights), np.nan)
    known = np.isfinite(x) & np.isfinite(y)
    if len(np.unique(x[known])) < FEWEST or not math.isfinite(full):
        return out
    start, span = x[known].min(), np.ptp(x[known])
    scaled = np.where(known, (x - start) / span, 0.0)
    gap = np.where(known, full - y, 0.0)
    shape = np.where(known[..., None], np.exp(-scaled[..., None] * TRIED), 0.0)  # (S, R, rates)
    product = weights @ np.einsum("sr,srg->sg", gap, shape)
    square = weights @ (shape**2).sum(axis=1)
    # Sum of squares that the fit explains. Steep shapes vanish where a seed starts late.
    explained = np.divide(product**2, square, out=np.zeros_like(product), where=(product > 0) & (square > 0))
    best = explained.argmax(axis=1)
    fits = (best > 0) & (best < len(TRIED) - 1) & (explained.max(axis=1) > 0)
    row, top = np.flatnonzero(fits), best[fits]
    left, middle, right = (explained[row, top + step] for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.divide(left - right, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
    step = math.log(TRIED[1] / TRIED[0])
    out[row] = TRIED[top] * np.exp(shift * step) / span
    return out


def efficiency(
    x: NDArray[np.float64], y: NDArray[np.float64], full: float, seed: int, draws: int = RESAMPLES
) -> tuple[float, float, float]:
    """Return the rate fitted to all runs ``x``, ``y`` (S, R) and its 95 % interval over seeds: t (S - 1) on log scale.

    The interval takes ``full`` as known. It is NaN for one seed, and if a twentieth of the draws has no fit.
    """
    runs = np.isfinite(x * y).any(axis=1)
    x, y = x[runs], y[runs]
    if not len(x):
        return math.nan, math.nan, math.nan
    rate = float(rates(x, y, full, np.ones((1, len(x))))[0])
    if math.isnan(rate) or len(x) < 2:
        return rate, math.nan, math.nan
    drawn = np.log(rates(x, y, full, shares(len(x), draws, np.random.default_rng([seed, len(x)]))))
    if np.isfinite(drawn).mean() < DEFINED:
        return rate, math.nan, math.nan
    half = stats.t.ppf((1 + LEVEL) / 2, len(x) - 1) * np.nanstd(drawn, ddof=1)
    return rate, rate * math.exp(-half), rate * math.exp(half)
