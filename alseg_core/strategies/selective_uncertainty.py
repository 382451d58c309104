"""Selective uncertainty: doubt within the predicted target and along its boundary."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from alseg_core.metrics.uncertainty import measures
from alseg_core.registry import component
from alseg_core.strategies.scores import PredictionStrategy, predictions
from alseg_core.strategies.view import View
from alseg_core.vocabulary import IntArray, Selection


@component
class SelectiveUncertainty(PredictionStrategy):
    """Slices with the highest mean entropy within the predicted target and, in turn, along its boundary.

    With p the probability of any foreground class by the mean prediction, the target is {p > target} and the boundary
    {abs(p - 1/2) < boundary}. Both regions rank the slices by the mean entropy of their pixels, 0 where the region is
    empty. The picks are the first of both rankings in turn, beginning with the target's; slices that the other ranking
    gave already are passed over. Taking all foreground classes together is our reading for more than two classes.
    """

    ranks: ClassVar[bool] = True
    paper: ClassVar[str] = "Ma et al., ICASSP 2024 (arXiv 2401.16298)"

    target: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Probability of foreground above which a pixel belongs to the target, in [0, 1)."""
    boundary: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    """Distance of the probability of foreground from 1/2 below which a pixel belongs to the boundary, in (0, 1/2]."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        return Selection(view.unlabelled[in_turn(self.scores(view, rng), budget)])

    def scores(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return the mean entropy (U, 2) of the unlabelled slices within the target and along the boundary, in nats."""
        import torch

        parts = []
        for members in predictions(view, self.source, self.passes, rng):
            pixels, mean = measures(members, ["entropy"])
            foreground = 1 - mean[:, 0]
            regions = torch.stack([foreground > self.target, (foreground - 0.5).abs() < self.boundary], dim=1)
            total = (pixels["entropy"].unsqueeze(1) * regions).sum(dim=(2, 3), dtype=torch.float64)
            parts.append(total / regions.sum(dim=(2, 3)).clamp(min=1))
        return torch.cat(parts).cpu().numpy()


def in_turn(scores: NDArray[np.float64], count: int) -> IntArray:
    """Return ``count`` rows of scores (n, R) by R rankings in turn, each highest first; ties go to the first row.

    A row that an earlier turn gave is passed over, so that the next one of that ranking takes its place.
    """
    rankings = np.argsort(-scores, axis=0, kind="stable")
    rows = np.empty(count, dtype=np.int64)
    free = np.ones(len(scores), dtype=bool)
    next_of = [0] * scores.shape[1]
    for i in range(count):
        turn = i % scores.shape[1]
        while not free[rankings[next_of[turn], turn]]:
            next_of[turn] += 1
        rows[i] = rankings[next_of[turn], turn]
        free[rows[i]] = False
    return rows
