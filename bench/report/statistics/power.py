"""What differences the seeds at hand can find, and how many seeds a claim needs: two-sided paired t-test at .05."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.report.statistics.paired import ALPHA, SAME

POWER = 0.8
MOST_SEEDS = 1000
LARGEST = 100.0
"""Differences of more standard deviations than this are found by two seeds."""


@cache
def smallest_effect(seeds: int) -> float:
    """Smallest mean difference, in standard deviations of the differences, that is found with power .8; NaN for one."""
    from statsmodels.stats.power import TTestPower

    return float(TTestPower().solve_power(nobs=seeds, alpha=ALPHA, power=POWER)) if seeds > 1 else float("nan")


def detectable(sd: float, seeds: int) -> float:
    """Smallest mean difference that ``seeds`` pairs find whose differences have ``sd``; NaN for a single pair."""
    return sd * smallest_effect(seeds)


def seeds_needed(difference: ArrayLike, sd: ArrayLike) -> NDArray[np.float64]:
    """Fewest seeds, 2 at least, that find ``difference`` with power .8 where differences have sd ``sd``.

    inf where :data:`MOST_SEEDS` do not suffice, NaN where either is NaN. ``sd`` is an estimate: from three seeds the
    true one lies between half and six times of it (95 %), and the number of seeds goes with its square.
    """
    d, s = np.broadcast_arrays(np.abs(np.asarray(difference, dtype=float)), np.asarray(sd, dtype=float))
    known = np.isfinite(d) & np.isfinite(s)
    effect = np.zeros(d.shape)
    effect[known & (d > SAME)] = (d / np.maximum(s, SAME))[known & (d > SAME)].clip(max=LARGEST)
    low, high = np.full(d.shape, 1), np.full(d.shape, MOST_SEEDS + 1)  # do not suffice, suffice or are too many
    while np.any(high - low > 1):
        middle = np.maximum((low + high) // 2, 2)
        suffices = _power(effect, middle) >= POWER
        low, high = np.where(suffices, low, middle), np.where(suffices, middle, high)
    return np.where(known, np.where(high > MOST_SEEDS, np.inf, high), np.nan)


def _power(effect: NDArray[np.float64], seeds: NDArray[np.intp]) -> NDArray[np.float64]:
    """Chance of a finding in the right direction; one in the wrong one is no help, and rarer than 1 in 10,000 here."""
    from statsmodels.stats.power import ttest_power

    with np.errstate(all="ignore"):
        found = ttest_power(effect, seeds, ALPHA / 2, alternative="larger")
    return np.where(np.isnan(found), 1.0, found)  # scipy's noncentral t gives up only where nothing is missed
