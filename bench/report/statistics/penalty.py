"""Pairwise penalty matrix (Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds").

Ash et al. count t-tests over seeds; here an interval over seeds and test patients decides, as everywhere in a report.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.report.statistics.marks import apart


def matrix(
    difference: NDArray[np.float64],
    half: NDArray[np.float64],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    size: int,
) -> NDArray[np.float64]:
    """Return (size, size): at [i, j] the share of budgets at which j loses to i; NaN where no budget has an interval.

    difference, half: (pairs, R) mean score of ``first`` minus that of ``second`` with half of its interval, NaN without
    one. A loss, an interval that leaves 0 out, adds 1/R, R counting all budgets of the setting.
    """
    out = np.full((size, size), np.nan)
    lost = np.where(apart(difference, half), np.sign(difference), 0.0)
    known = np.isfinite(half).any(axis=1)
    out[first, second] = np.where(known, (lost > 0).mean(axis=1), np.nan)
    out[second, first] = np.where(known, (lost < 0).mean(axis=1), np.nan)
    return out
