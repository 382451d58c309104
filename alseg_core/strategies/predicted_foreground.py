"""Foreground-aware random by predictions: the label-free twin of the reference oracle_foreground."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from alseg_core.metrics.uncertainty import mean_prediction
from alseg_core.registry import component
from alseg_core.strategies.sampling import draw_by_class
from alseg_core.strategies.scores import predictions
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection


@component
class PredictedForeground(Strategy):
    """A random slice on which a randomly drawn class is predicted with probability rho, else any random slice.

    A class counts as predicted on a slice if it is the most probable one of any pixel by the members' mean prediction.
    The scheme is that of ``oracle_foreground``, which reads ground truth, so that the two compare; it is the control
    for methods that weigh classes.
    """

    needs_model: ClassVar[bool] = True
    paper: ClassVar[str] = "after Lueth et al., nnActive (foreground-aware random), by predictions"

    rho: Annotated[float, Field(ge=0, le=1)] = 0.66
    """Probability of a draw among slices with a given foreground class, in [0, 1]."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        return Selection(view.unlabelled[draw_by_class(self.predicted(view, rng)[:, 1:], self.rho, budget, rng)])

    def predicted(self, view: View, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Return whether each class is predicted on each unlabelled slice, (U, K) bool."""
        import torch

        parts = []
        for members in predictions(view, "members", 1, rng):
            labels = mean_prediction(members).max(dim=1).indices.flatten(1)
            parts.append(torch.stack([(labels == c).any(dim=1) for c in range(view.classes)], dim=1))
        return torch.cat(parts).cpu().numpy()
