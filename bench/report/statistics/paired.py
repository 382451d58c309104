"""Comparisons of two recipes, paired by seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

ALPHA = 0.05
SAME = 1e-12
"""Differences that vary by less are equal; they differ in the order of summation."""


@dataclass(frozen=True, eq=False)
class Paired:
    """Arrays of one shape: mean and sd (ddof 1) of differences, how many there are, p of the two-sided t-test.

    same: two differences or more and all of them 0, as where recipes share their first networks.
    """

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    count: NDArray[np.intp]
    p: NDArray[np.float64]
    same: NDArray[np.bool_]


def paired(differences: NDArray[np.float64]) -> Paired:
    """Two-sided paired t-test over the last axis of ``differences`` (..., S); NaN marks seeds that one of both lacks.

    The test asks whether other seeds would show a difference on these test volumes. Differences without variance have
    p = 0. Where all are 0 the runs are the very same, by construction and not by chance: that is no test, p is NaN, and
    it does not count in a family. With a single pair sd and p are NaN. Without an effect 4.5 to 5.3 % of 4,000
    simulated tests had p < .05, with 2, 3, 5 and 10 seeds.
    """
    there = np.isfinite(differences)
    count = there.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, differences, 0.0).sum(axis=-1) / count
        square = (np.where(there, differences - mean[..., None], 0.0) ** 2).sum(axis=-1)
        sd = np.where(count > 1, np.sqrt(square / (count - 1)), np.nan)
        statistic = np.abs(mean) / (sd / np.sqrt(count))
        p = 2 * stats.t.sf(statistic, count - 1)
    constant = (count > 1) & (sd < SAME)
    same = constant & (np.abs(mean) < SAME)
    p = np.where(constant, 0.0, p)
    return Paired(mean, sd, count, np.where((count > 1) & ~same, p, np.nan), same)


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's correction of ``p`` (K,) as one family; NaN are no tests: they stay NaN and do not count."""
    from statsmodels.stats.multitest import multipletests

    out = np.full(len(p), np.nan)
    made = np.isfinite(p)
    if made.any():
        out[made] = multipletests(p[made], method="holm")[1]
    return out
