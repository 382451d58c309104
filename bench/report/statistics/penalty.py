"""Pairwise penalty matrix (Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.report.statistics.paired import ALPHA


def matrix(
    difference: NDArray[np.float64],
    p: NDArray[np.float64],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    size: int,
) -> NDArray[np.float64]:
    """Return (size, size): at [i, j] the share of budgets at which j loses significantly to i.

    difference: (pairs, R) mean score of ``first`` minus that of ``second``, p: (pairs, R), NaN where no test was made.
    A loss adds 1/R, R counting all budgets of the setting.
    """
    out = np.zeros((size, size))
    lost = np.where(p < ALPHA, np.sign(difference), 0.0)
    out[first, second] = (lost > 0).mean(axis=1)
    out[second, first] = (lost < 0).mean(axis=1)
    return out
