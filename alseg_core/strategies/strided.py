"""Evenly spaced slices of every volume, as a careful annotator picks them without a model."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from alseg_core.registry import component
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import IntArray, Selection


def share_out(view: View, budget: int, rng: np.random.Generator) -> list[tuple[IntArray, int]]:
    """Divide the budget over the volumes, those with the fewest annotated slices first, ties at random.

    Returns the unlabelled positions (by z) and the share of every volume that gets any, in random order.
    """
    table = view.table
    volumes = len(table.cases)
    free = np.bincount(table.volume[view.unlabelled], minlength=volumes)
    filled = np.bincount(table.volume[view.labelled], minlength=volumes)
    quota = np.zeros(volumes, dtype=np.int64)
    turn = rng.permutation(volumes)
    for _ in range(budget):
        open_ = turn[free[turn] > quota[turn]]
        quota[open_[np.argmin((filled + quota)[open_])]] += 1
    volume = table.volume[view.unlabelled]
    return [(view.unlabelled[volume == v], int(quota[v])) for v in turn if quota[v]]


@component
class Strided(Strategy):
    """Evenly spaced slices, divided over the volumes with the fewest annotated slices first.

    The k slices of a volume are those nearest to the relative positions (j + u) / k, j = 0..k-1, u ~ U(0, 1).
    """

    paper: ClassVar[str] = "reference every comparison needs"

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        picks: list[int] = []
        for left, quota in share_out(view, budget, rng):
            for target in (np.arange(quota) + rng.random()) / quota:
                nearest = int(np.argmin(np.abs(view.table.relative_z[left] - target)))
                picks.append(int(left[nearest]))
                left = np.delete(left, nearest)
        return Selection(np.array(picks, dtype=np.int64))
