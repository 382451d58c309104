"""Coreset: greedy k-centre on an embedding."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from alseg_core.geometry.kcenter import k_center_greedy, medoid
from alseg_core.registry import component
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection


@component
class Coreset(Strategy):
    """Farthest-first traversal of the embedding, starting from what is annotated.

    start: the first centre when nothing is annotated yet, a random slice or the medoid. A slice's score is the distance
    it had to the nearest centre when it was picked.
    """

    needs_embedding: ClassVar[bool] = True
    paper: ClassVar[str] = "Sener & Savarese, ICLR 2018; Vepa et al., NeurIPS 2024, Eq. 2-3"
    start: Literal["random", "medoid"] = "random"

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        features = view.embedding()
        first = int(rng.choice(view.unlabelled)) if self.start == "random" else medoid(features)
        picks, gaps = k_center_greedy(features, view.labelled, budget, first=first)
        return Selection(picks, gaps)
