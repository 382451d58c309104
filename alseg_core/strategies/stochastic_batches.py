"""Stochastic batches: the most uncertain of random groups."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from alseg_core.registry import component
from alseg_core.strategies.sampling import best
from alseg_core.strategies.scores import NestedScore, Score
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection


@component
class StochasticBatches(Strategy):
    """The random group of ``budget`` slices with the highest mean uncertainty.

    The unlabelled slices are divided at random into groups of the size of the budget, anew every round; a remainder
    belongs to no group. If the budget is more than half of them, there is one group and the picks are random.
    """

    needs_model: ClassVar[bool] = True
    paper: ClassVar[str] = "Gaillochet et al., MedIA 2023"

    score: NestedScore = Score()
    """Uncertainty of a slice."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        scores = self.score.of(view, rng)
        groups = rng.permutation(len(scores))[: len(scores) // budget * budget].reshape(-1, budget)
        group = np.sort(groups[np.argmax(scores[groups].mean(axis=1))])
        return best(view.unlabelled[group], scores[group], budget)

    def passes_per_slice(self, members: int) -> int:
        """See :class:`Strategy`."""
        return self.score.passes_per_slice(members)

    def needs_dropout(self, members: int) -> bool:
        """See :class:`Strategy`."""
        return self.score.needs_dropout(members)

    def needs_network(self, members: int) -> bool:
        """See :class:`Strategy`."""
        return self.needs_dropout(members)
