"""Search for the candidate farthest from all centres, without computing distances that cannot matter.

The distance of a candidate to its nearest centre only shrinks as centres are added, so an earlier distance is an upper
bound. A candidate whose bound is below an exact distance is not the farthest and need not be updated.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alseg_core.vocabulary import IntArray

FIRST = 16
"""Number of centres to compare every candidate with at the start; about as costly as reading the candidates once."""

CENTRES = 256
"""Number of centres to compare candidates with at a time; candidates that fall behind skip the rest."""

BLOCK = 32
"""Smallest number of candidates to update together."""

ACTIVE = 4096
"""Smallest number of candidates to consider for a pick."""

SERVED = 8
"""Number of picks that a set of considered candidates should yield; if fewer, the next set is larger."""


class Metric(Protocol):
    """Distances of U candidates to a growing list of centres; it need not be symmetric."""

    def __len__(self) -> int:
        """Number of centres."""
        ...

    def join(self, row: int) -> None:
        """Add a candidate as the next centre."""
        ...

    def tighten(self, rows: IntArray, bounds: NDArray[np.float64], start: int, stop: int) -> NDArray[np.float64]:
        """Return the minimum of ``bounds`` (b,) and the distances of the candidates ``rows`` (b,) to centres
        start..stop-1.

        The result (b,) is exact: it does not depend on how rows and centres are split into calls.
        """
        ...


class Farthest:
    """Finds the candidate of a metric that is farthest from all its centres; ties go to the first.

    size: number U of candidates. Centres may be added to the metric at any time. Candidate and distance are those of a
    loop over all distances; the work adapts to the number of competing candidates.
    """

    def __init__(self, metric: Metric, size: int) -> None:
        self._metric = metric
        self._bound = np.full(size, np.inf)
        self._seen = np.zeros(size, dtype=np.int64)
        self._block = BLOCK
        self._active = np.arange(size)
        self._threshold = -np.inf
        self._width = ACTIVE
        self._served = 0
        self._begun = False

    def take(self, row: int) -> float:
        """Remove a candidate and return its distance to the nearest centre; an upper bound unless it was found."""
        gap = float(self._bound[row])
        self._bound[row] = -1.0
        return gap

    def find(self) -> int:
        """Return the farthest candidate that has not been taken; at least one must be left."""
        centres = len(self._metric)
        if centres and not self._begun:
            self._begun = True
            self._tighten(np.flatnonzero(self._bound >= 0), 0, min(centres, FIRST))
            self._widen()
        while True:
            bounds = self._bound[self._active]
            best = int(np.argmax(bounds)) if len(bounds) else 0
            if not len(bounds) or bounds[best] < max(self._threshold, 0.0):
                self._widen()
            elif bounds[best] == 0 or self._seen[self._active[best]] == centres:
                self._served += 1
                self._block = BLOCK
                return int(self._active[best])
            else:
                self._refresh(self._active, bounds, best)

    def _refresh(self, active: IntArray, bounds: NDArray[np.float64], best: int) -> None:
        """Compare the block of the highest bounds with centres they have not seen, and enlarge the next block."""
        centres = len(self._metric)
        seen = self._seen[active]
        # only candidates that have seen as many centres, as others would be compared with some of them again
        wanted = np.flatnonzero((seen == seen[best]) & (bounds >= 0))
        if len(wanted) > self._block:
            cut = np.partition(bounds[wanted], -self._block)[-self._block]
            above = wanted[bounds[wanted] > cut]
            level = wanted[bounds[wanted] == cut][: self._block - len(above)]  # ties go to the first
            wanted = np.concatenate([above, level])
        start = int(seen[best])
        self._tighten(active[wanted], start, min(centres, start + CENTRES))
        self._block *= 2

    def _tighten(self, rows: IntArray, start: int, stop: int) -> None:
        bounds = self._metric.tighten(rows, self._bound[rows], start, stop)
        self._bound[rows] = np.where(np.isnan(bounds), np.inf, bounds)  # NaN counts as far
        self._seen[rows] = np.maximum(self._seen[rows], stop)

    def _widen(self) -> None:
        """Consider other candidates, those with the highest bounds: twice as many if the last ones gave few picks."""
        self._width = self._width * 2 if self._served < SERVED else max(ACTIVE, self._width // 2)
        self._served = 0
        width = min(self._width, int(np.count_nonzero(self._bound >= 0)))
        self._threshold = float(np.partition(self._bound, -width)[-width])
        self._active = np.flatnonzero(self._bound >= self._threshold)


def farthest_first(
    metric: Metric, size: int, count: int, first: int | None = None
) -> tuple[IntArray, NDArray[np.float64]]:
    """Pick ``count`` of a metric's ``size`` candidates, each the farthest from all centres, which it then joins.

    first: the first pick. Returns candidates (count,) in order and the distance of each when it was picked.
    """
    farthest = Farthest(metric, size)
    rows = np.empty(count, dtype=np.int64)
    gaps = np.empty(count, dtype=np.float64)
    for i in range(count):
        rows[i] = row = first if i == 0 and first is not None else farthest.find()
        gaps[i] = farthest.take(row)
        metric.join(row)
    return rows, gaps


def spread_out(centres: IntArray) -> IntArray:
    """Reorder centres (L,) so that the first ones come from the whole list, not from its first volumes."""
    turns = max(1, -(-len(centres) // FIRST))
    return np.concatenate([centres[turn::turns] for turn in range(turns)])
