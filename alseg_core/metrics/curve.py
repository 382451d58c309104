"""Area under the budget curve (AUBC): one number for a whole run."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

AUBC = "AUBC"
"""Title of the area under the budget curve in tables and figures."""
AUBC_DICE = "aubc_dice"
"""Name of the area under the curve of Dice over labelled slices, in comparison.csv and MLflow."""


def aubc(budgets: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the budget curve, sum of trapezoids / (b_T - b_0); NaN for a single budget.

    budgets: labelled slices, or cost, of each round, increasing. scores: of the same rounds.
    """
    b, s = np.asarray(budgets, dtype=float), np.asarray(scores, dtype=float)
    return float(np.trapezoid(s, b) / (b[-1] - b[0])) if len(b) > 1 else math.nan


def weights(budgets: NDArray[np.float64], window: tuple[float, float] | None = None) -> NDArray[np.float64]:
    """Return the weight of each round in the area, (..., R) for budgets (..., R): aubc(b, s) = sum(weights(b) * s).

    window: (from, to), the interval to integrate over, with scores interpolated linearly at its ends; by default each
    curve's own first to last budget, as in :func:`aubc`. Weights sum to one. NaN for a single budget, for budgets that
    are all equal or unknown, and for a curve that does not cover the whole window.
    """
    first, last = budgets[..., :1], budgets[..., -1:]
    low, high = (first, last) if window is None else (np.full_like(first, edge) for edge in window)
    left, right = budgets[..., :-1], budgets[..., 1:]
    start, end = np.clip(left, low, high), np.clip(right, low, high)
    steps = right - left
    share = np.divide((start + end) / 2 - left, steps, out=np.full_like(steps, 0.5), where=steps > 0)  # of the right
    parts = np.zeros_like(budgets)
    parts[..., :-1] += (end - start) * (1 - share)
    parts[..., 1:] += (end - start) * share
    known = (high > low) & (first <= low) & (high <= last)
    return np.asarray(np.divide(parts, high - low, out=np.full_like(budgets, np.nan), where=known))


def window(budgets: NDArray[np.float64]) -> tuple[float, float]:
    """Return the interval that all curves (N, R) cover, largest first to smallest last budget; NaN if it is empty.

    Curves with unknown budgets are ignored.
    """
    known = budgets[np.isfinite(budgets).all(axis=-1)]
    if not len(known):
        return math.nan, math.nan
    low, high = float(known[:, 0].max()), float(known[:, -1].min())
    return (low, high) if low < high else (math.nan, math.nan)
