"""Area under the budget curve (AUBC)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def aubc(budgets: ArrayLike, scores: ArrayLike) -> float:
    """Area under the budget curve: trapezoid of ``scores`` over true ``budgets`` / (b_T - b_0); NaN for one budget."""
    b, s = np.asarray(budgets, dtype=float), np.asarray(scores, dtype=float)
    return float(np.trapezoid(s, b) / (b[-1] - b[0])) if len(b) > 1 else math.nan


def weights(budgets: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each round counts in :func:`aubc`, (..., R) for budgets (..., R): aubc(b, s) = sum(weights(b) * s).

    They sum to one. NaN where there is one budget, or all budgets are equal or unknown.
    """
    steps = np.diff(budgets, axis=-1)
    nothing = np.zeros_like(budgets[..., :1])
    halves = (np.concatenate([steps, nothing], axis=-1) + np.concatenate([nothing, steps], axis=-1)) / 2
    span = budgets[..., -1:] - budgets[..., :1]
    return np.asarray(np.divide(halves, span, out=np.full_like(budgets, np.nan), where=span > 0))
