"""Average rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats


def compared(whole: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the recipes (M,) that can be ranked together and the seeds (S,) for it, given complete runs (M, S).

    The seeds are those that all ranked recipes have, so that no recipe gains from an easy seed. While no seed is common
    to all, the recipes with the fewest seeds are left out.
    """
    seeds = whole.sum(axis=1)
    kept = seeds > 0
    common = whole[kept].all(axis=0) & kept.any()
    while kept.any() and not common.any():
        kept &= seeds > seeds[kept].min()
        common = whole[kept].all(axis=0) & kept.any()
    return kept, common


def average(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean rank (M,) over seeds and rounds of ``scores`` (M, S, R); 1 is best, ties share a rank."""
    return np.asarray(stats.rankdata(-scores, axis=0).mean(axis=(1, 2)))
