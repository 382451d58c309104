"""Who is best in a column, and who cannot be told from the best.

A recipe is tied with the best unless the interval of their paired difference, over seeds and test patients, leaves 0
out. The intervals of a column are simultaneous (Bonferroni over the comparisons with the best), as in Hsu's multiple
comparisons with the best (Annals of Statistics 12, 1984): whichever recipe is truly best, its interval against the one
that looks best leaves 0 out, on the wrong side, in at most 2.5 % of cases, so it is marked in at least 97.5 %.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.report.statistics.budget_summary import Summary
from bench.report.statistics.paired import FEW_SEEDS, SAME

VISIBLE = 0.0005
"""Smallest mean that is not shown as 0.000."""

Bools = NDArray[np.bool_]


def apart(difference: NDArray[np.float64], half: NDArray[np.float64]) -> Bools:
    """Return where the intervals ``difference`` +- ``half`` leave 0 out; False where there is none."""
    return np.asarray(np.abs(difference) > half + SAME)


def marked(column: Summary, first: NDArray[np.intp], second: NDArray[np.intp], competes: Bools) -> tuple[Bools, Bools]:
    """Return which recipes (M,) have the highest mean of a column, and which have it or are tied with one that has.

    The best is sought among the competing recipes with the most seeds. Nobody is marked with fewer than FEW_SEEDS
    seeds, if no other recipe can be compared, if all are equal, or if the highest mean is 0.000; a recipe that shares
    fewer than FEW_SEEDS seeds with the best is not tied.
    """
    seeds, mean = column.means.count, column.means.mean
    nobody = np.zeros(len(competes), dtype=bool)
    most = competes & (seeds == seeds[competes].max(initial=0)) & (seeds >= FEW_SEEDS)
    if most.sum() < 2 or mean[most].max() < VISIBLE:
        return nobody, nobody
    best = most & (mean >= mean[most].max() - SAME)
    if best.sum() == (competes & (seeds > 0)).sum():
        return nobody, nobody
    tied = best.copy()
    known = (column.tests.count >= FEW_SEEDS) & competes[first] & competes[second]
    near = known & ~apart(column.tests.mean, column.joint_half)
    leader = int(np.flatnonzero(best)[0])
    for one, others in ((first, second), (second, first)):
        tied[others[(one == leader) & near]] = True
    return best, tied
