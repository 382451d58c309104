"""Random slices, spread evenly over the relative position in the volume."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from alseg_core.registry import component
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection


@component
class Stratified(Strategy):
    """One random slice from each of ``budget`` equal strata of relative position in the volume (base to apex)."""

    paper: ClassVar[str] = "reference every comparison needs"

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        shuffled = rng.permutation(view.unlabelled)  # ties fall into strata at random
        ordered = shuffled[np.argsort(view.table.relative_z[shuffled], kind="stable")]
        return Selection(np.array([rng.choice(stratum) for stratum in np.array_split(ordered, budget)], dtype=np.int64))
