"""Coreset: greedy k-centre on an embedding."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from alseg_core.geometry.kcenter import densest, k_center_greedy, medoid
from alseg_core.registry import component
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection


@component
class Coreset(Strategy):
    """Farthest-first traversal of the embedding, starting from the annotated slices.

    The score of a pick is its distance to the nearest centre at that moment.
    """

    needs_embedding: ClassVar[bool] = True
    paper: ClassVar[str] = "Sener & Savarese, ICLR 2018; Vepa et al., NeurIPS 2024, Eq. 2-3"

    start: Literal["random", "medoid", "densest"] = "random"
    """First centre while nothing is annotated. "random": a random slice; the cover then depends on the seed, and an
    outlier may come first. "medoid": the slice nearest to the mean. "densest": the slice with the least mean distance
    to its 20 nearest ones, which is inside a cluster even if the mean is between clusters."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        features, first = view.embedding(), None
        if len(view.labelled) == 0:
            first = int(rng.choice(view.unlabelled))
            if self.start != "random":
                known = features[view.unlabelled]
                middle = medoid(known) if self.start == "medoid" else densest(known, device=view.device)
                first = int(view.unlabelled[middle])
        return Selection(*k_center_greedy(features, view.labelled, view.unlabelled, budget, first, view.device))
