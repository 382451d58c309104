"""Foreground-aware random: a reference that reads ground truth."""

from __future__ import annotations

from typing import Annotated, ClassVar, cast

import numpy as np
from pydantic import Field

from alseg_core.registry import component
from alseg_core.strategies.sampling import draw_by_class
from alseg_core.strategies.view import ReferenceView, Strategy, View
from alseg_core.vocabulary import IGNORE, Selection


@component
class ForegroundReference(Strategy):
    """Reference: a random slice that contains a randomly drawn class with probability rho, else any random slice."""

    reads_ground_truth: ClassVar[bool] = True
    paper: ClassVar[str] = "Lueth et al., nnActive (foreground-aware random)"

    rho: Annotated[float, Field(ge=0, le=1)] = 0.66
    """Probability of a draw among slices with a given foreground class, in [0, 1]."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`. The view is a :class:`ReferenceView`."""
        masks = cast(ReferenceView, view).ground_truth()
        classes = [int(c) for c in np.unique(masks) if c not in (0, IGNORE)]
        holds = np.zeros((len(masks), len(classes)), dtype=bool)
        for i, c in enumerate(classes):
            holds[:, i] = (masks == c).any(axis=(1, 2))
        return Selection(view.unlabelled[draw_by_class(holds[view.unlabelled], self.rho, budget, rng)])
