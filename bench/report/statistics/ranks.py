"""Average rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats


def compared(whole: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Recipes (M,) that can be ranked together and the seeds (S,) they are ranked on, from ``whole`` (M, S) runs.

    Seeds are those that all compared recipes have, so nobody gains by an easy seed. Where no seed is common to all,
    recipes with the fewest seeds are left out until one is.
    """
    seeds = whole.sum(axis=1)
    kept = seeds > 0
    common = whole[kept].all(axis=0) & kept.any()
    while kept.any() and not common.any():
        kept &= seeds > seeds[kept].min()
        common = whole[kept].all(axis=0) & kept.any()
    return kept, common


def average(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean rank (M,) over seeds and rounds of ``scores`` (M, S, R); 1 is the highest, equal scores share their mean."""
    return np.asarray(stats.rankdata(-scores, axis=0).mean(axis=(1, 2)))
