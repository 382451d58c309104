"""Predictive entropy of the ensemble."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from alseg_core.metrics.uncertainty import mean_entropies
from alseg_core.registry import component
from alseg_core.strategies.scores import Aggregate, best, slice_scores
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection


@component
class Entropy(Strategy):
    """Slices with the highest entropy of the members' mean prediction."""

    needs_model: ClassVar[bool] = True
    paper: ClassVar[str] = "Shannon 1948; Settles 2009"
    aggregate: Aggregate = "mean"

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        positions = view.unlabelled
        scores = [
            slice_scores(total, self.aggregate, foreground)
            for _, members in view.member_probabilities(positions)
            for total, _, foreground in [mean_entropies(members)]
        ]
        return best(positions, np.concatenate(scores), budget)
