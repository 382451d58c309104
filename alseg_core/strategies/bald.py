"""Bayesian active learning by disagreement, with dropout as the posterior."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from alseg_core.metrics.uncertainty import mean_entropies
from alseg_core.registry import component
from alseg_core.strategies.scores import Aggregate, best, slice_scores
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection


@component
class Bald(Strategy):
    """Slices with the highest mutual information of prediction and weights, over dropout passes.

    H(mean_t p_t) - mean_t H(p_t); dropout is active and batch norm in evaluation mode. passes: T.
    """

    needs_model: ClassVar[bool] = True
    paper: ClassVar[str] = "Houlsby et al. 2011; Gal et al., ICML 2017"
    passes: Annotated[int, Field(ge=2)] = 40
    aggregate: Aggregate = "mean"

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        positions = view.unlabelled
        scores = [
            slice_scores(total - expected, self.aggregate, foreground)
            for _, passes in view.dropout_probabilities(positions, self.passes, rng)
            for total, expected, foreground in [mean_entropies(passes)]
        ]
        return best(positions, np.concatenate(scores), budget)
