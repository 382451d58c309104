"""Random slices, spread evenly over the relative position in the volume."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from alseg_core.registry import component
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection


@component
class Stratified(Strategy):
    """One random slice from each empty stratum of relative position in the volume (base to apex).

    There are as many equal strata as there will be annotated slices. Each slice annotated before fills one of them, its
    own or one near it: the slices fill different strata, at the smallest mean distance from the middle of a slice's
    stratum. If an empty stratum has no slice left, the nearest one outside it is taken.
    """

    format: ClassVar[int] = 2
    paper: ClassVar[str] = "reference every comparison needs"

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        from scipy.optimize import linear_sum_assignment

        slices = rng.permutation(np.concatenate([view.labelled, view.unlabelled]))  # ties fall into strata at random
        slices = slices[np.argsort(view.table.relative_z[slices], kind="stable")]
        free = ~np.isin(slices, view.labelled)
        count = len(view.labelled) + budget
        place = (np.arange(len(slices)) + 0.5) / len(slices) * count  # stratum s is [s, s + 1)
        distance = np.abs(place[~free][:, None] - (np.arange(count) + 0.5))
        empty = np.setdiff1d(np.arange(count), linear_sum_assignment(distance)[1])
        picks = []
        for stratum in rng.permutation(empty):
            rows = np.flatnonzero(free)
            beyond = np.maximum(np.abs(place[rows] - (stratum + 0.5)), 0.5)  # equal for all of the stratum
            row = rng.choice(rows[beyond == beyond.min()])
            picks.append(slices[row])
            free[row] = False
        return Selection(np.array(picks, dtype=np.int64))
