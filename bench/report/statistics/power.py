"""Differences that the given seeds can detect, and seeds that a claim needs, with a two-sided paired t-test.

A single test has level .05. Among m tests with Holm's correction, the largest difference must pass at .05 / m
(Bonferroni's level); the others at milder levels that depend on each other, so .05 / m is a bound for all of them.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from bench.report.statistics.paired import ALPHA, SAME

POWER = 0.8
"""Probability of detecting a difference."""
MOST_SEEDS = 1000
"""Largest number of seeds that is searched."""
LARGEST = 1e6
"""Differences of more standard deviations are detected by two seeds, even among thousands of tests."""


@cache
def smallest_effect(seeds: int, tests: int = 1) -> float:
    """Return the smallest mean difference, in standard deviations of the differences, detected with power .8.

    tests: size of the family that is corrected. NaN for a single seed or no test. The root is bracketed here because
    statsmodels' ``solve_power`` stops early, without an error, for few seeds at small levels.
    """
    if seeds < 2 or tests < 1:
        return float("nan")
    limit = stats.t.isf(ALPHA / tests / 2, seeds - 1)
    shift = optimize.brentq(lambda nc: stats.nct.sf(limit, seeds - 1, nc) - POWER, 0.0, 2 * limit + 10)
    return float(shift / np.sqrt(seeds))


def detectable(sd: float, seeds: int, tests: int = 1) -> float:
    """Return the smallest mean difference in Dice that ``seeds`` pairs detect if differences have ``sd``.

    inf where it is more than 1: differences between two Dice are smaller.
    """
    found = sd * smallest_effect(seeds, tests)
    return math.inf if found > 1 else found


def seeds_needed(difference: ArrayLike, sd: ArrayLike, tests: int = 1) -> NDArray[np.float64]:
    """Return the fewest seeds, at least 2, that detect ``difference`` with power .8 among ``tests`` given ``sd``.

    inf if :data:`MOST_SEEDS` do not suffice, NaN if either is NaN. ``sd`` is an estimate: from three seeds, the true
    one is between half and six times as large (95 %), and the number of seeds grows with its square.
    """
    d, s = np.broadcast_arrays(np.abs(np.asarray(difference, dtype=float)), np.asarray(sd, dtype=float))
    known = np.isfinite(d) & np.isfinite(s)
    effect = np.zeros(d.shape)
    effect[known & (d > SAME)] = (d / np.maximum(s, SAME))[known & (d > SAME)].clip(max=LARGEST)
    low, high = np.full(d.shape, 1), np.full(d.shape, MOST_SEEDS + 1)  # do not suffice, suffice or are too many
    while np.any(high - low > 1):
        middle = np.maximum((low + high) // 2, 2)
        suffices = _power(effect, middle, ALPHA / max(tests, 1)) >= POWER
        low, high = np.where(suffices, low, middle), np.where(suffices, middle, high)
    return np.where(known, np.where(high > MOST_SEEDS, np.inf, high), np.nan)


def _power(effect: NDArray[np.float64], seeds: NDArray[np.intp], level: float) -> NDArray[np.float64]:
    """Return the probability of a finding in the right direction; wrong ones are rarer than 1 in 10,000 here."""
    with np.errstate(all="ignore"):
        found = stats.nct.sf(stats.t.isf(level / 2, seeds - 1), seeds - 1, effect * np.sqrt(seeds))
    return np.where(np.isnan(found), 1.0, found)  # scipy's noncentral t fails only where power is 1
