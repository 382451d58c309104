"""Area under the budget curve (AUBC)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def aubc(budgets: ArrayLike, scores: ArrayLike) -> float:
    """Area under the budget curve: trapezoid of ``scores`` over true ``budgets`` / (b_T - b_0); NaN for one budget."""
    b, s = np.asarray(budgets, dtype=float), np.asarray(scores, dtype=float)
    return float(np.trapezoid(s, b) / (b[-1] - b[0])) if len(b) > 1 else math.nan


def weights(budgets: NDArray[np.float64], window: tuple[float, float] | None = None) -> NDArray[np.float64]:
    """What each round counts in the area, (..., R) for budgets (..., R): aubc(b, s) = sum(weights(b) * s).

    window: (from, to) that the area is taken over, with scores interpolated linearly at its ends; without it each
    curve's own first to last budget, as in :func:`aubc`. They sum to one. NaN where there is one budget, all budgets
    are equal or unknown, or the curve does not reach over the whole window.
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
    """What all curves (N, R) cover: largest first to smallest last budget; NaN where that is empty.

    Curves with unknown budgets do not count.
    """
    known = budgets[np.isfinite(budgets).all(axis=-1)]
    if not len(known):
        return math.nan, math.nan
    low, high = float(known[:, 0].max()), float(known[:, -1].min())
    return (low, high) if low < high else (math.nan, math.nan)
