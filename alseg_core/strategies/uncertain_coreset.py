"""Uncertainty x diversity: a coreset of the uncertain slices."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from alseg_core.geometry.kcenter import k_center_greedy
from alseg_core.quantities import Count
from alseg_core.registry import component
from alseg_core.strategies.sampling import best
from alseg_core.strategies.scores import NestedScore, Score
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection


@component
class UncertainCoreset(Strategy):
    """Farthest-first traversal of the embedding over the most uncertain slices, starting from the annotated ones.

    factor x budget slices are preselected by their score. The score of a pick is its distance to the nearest centre at
    that moment. The most uncertain slice comes first among equally far ones, and while nothing is annotated.
    """

    needs_model: ClassVar[bool] = True
    needs_embedding: ClassVar[bool] = True
    paper: ClassVar[str] = "after Yang et al., MICCAI 2017; k-centre: Sener & Savarese, ICLR 2018"

    score: NestedScore = Score()
    """Uncertainty of a slice."""
    factor: Count = 5
    """Slices to preselect, as a multiple of the budget."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        uncertain = best(view.unlabelled, self.score.of(view, rng), self.factor * budget).positions
        first = int(uncertain[0])
        return Selection(*k_center_greedy(view.embedding(), view.labelled, uncertain, budget, first, view.device))

    def passes_per_slice(self, members: int) -> int:
        """See :class:`Strategy`."""
        return self.score.passes_per_slice(members)

    def needs_dropout(self, members: int) -> bool:
        """See :class:`Strategy`."""
        return self.score.needs_dropout(members)

    def needs_network(self, members: int) -> bool:
        """See :class:`Strategy`."""
        return self.needs_dropout(members)
