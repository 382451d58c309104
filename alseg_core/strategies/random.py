"""Random slices: the baseline of every comparison."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from alseg_core.registry import component
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import IntArray, Selection


@component
class Random(Strategy):
    """Slices drawn uniformly without replacement."""

    paper: ClassVar[str] = "reference every comparison needs"

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        return Selection(self.draw(view.unlabelled, budget, rng))

    @staticmethod
    def draw(unlabelled: IntArray, budget: int, rng: np.random.Generator) -> IntArray:
        """Draw ``budget`` of the unlabelled positions (U,)."""
        return rng.choice(unlabelled, budget, replace=False)
