"""ProbCover: greedy cover of the embedding by balls."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from alseg_core.geometry.clusters import k_means, unit_length
from alseg_core.geometry.neighbours import Balls, nearest
from alseg_core.registry import component
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import FloatArray, IntArray, Selection


@component
class ProbCover(Strategy):
    """Greedy cover of the embedding by balls of one radius around the picked slices.

    Each pick is the slice with the most uncovered slices nearer than delta, on features of length 1; labelled slices
    cover their balls from the start. The score of a pick is the number of slices it newly covers. Once everything is
    covered, the rest of the budget is drawn at random (our choice, as a pick that covers nothing is arbitrary).
    """

    needs_embedding: ClassVar[bool] = True
    paper: ClassVar[str] = "Yehuda, Dekel, Hacohen, Weinshall, NeurIPS 2022"

    delta: Annotated[float, Field(gt=0, le=2)] | Literal["auto"] = "auto"
    """Radius of the balls, in (0, 2]; "auto" is the largest at which the share ``purity`` of the balls is pure."""
    purity: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Share of balls that contain slices of one pseudo-class only, in (0, 1]; for delta "auto"."""
    pseudo_classes: Annotated[int, Field(ge=2, le=10**6)] = 10
    """Number of k-means clusters that stand in for classes, which slices do not have; for delta "auto"."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        positions = np.concatenate([view.labelled, view.unlabelled])
        annotated, candidates = np.split(np.arange(len(positions)), [len(view.labelled)])
        features = unit_length(view.embedding()[positions])
        balls = Balls(features, self.radius(view))
        uncovered = np.ones(len(features), dtype=bool)
        for _, _, member in balls.around(annotated):
            uncovered[member] = False
        gain = reached(balls, np.flatnonzero(uncovered), len(features))

        picks = np.empty(budget, dtype=np.int64)
        gains = np.zeros(budget)
        free = np.zeros(len(features), dtype=bool)
        free[candidates] = True
        for i in range(budget):
            picks[i] = pick = np.argmax(np.where(free, gain, -1))
            if gain[pick] == 0:
                picks[i:] = rng.choice(np.flatnonzero(free), budget - i, replace=False)
                break
            gains[i], free[pick] = gain[pick], False
            for _, _, member in balls.around(np.array([pick])):
                new = member[uncovered[member]]
                uncovered[new] = False
                gain -= reached(balls, new, len(features))
        return Selection(positions[picks], gains)

    def radius(self, view: View) -> float:
        """Return ``delta``, or the automatic radius, which depends only on the features, not on the round."""
        if self.delta != "auto":
            return self.delta
        features = unit_length(view.embedding()[np.lexsort((view.table.z, view.table.volume))])
        groups = k_means(features, self.pseudo_classes, np.random.default_rng(0), device=view.device).labels
        return pure_radius(features, groups, self.purity, view.device)


def reached(balls: Balls, rows: IntArray, size: int) -> IntArray:
    """Count the points ``rows`` in the ball of each of the ``size`` points, (size,) int64."""
    count = np.zeros(size, dtype=np.int64)
    for _, _, member in balls.around(rows):  # the relation is symmetric
        count += np.bincount(member, minlength=size)
    return count


def pure_radius(features: FloatArray, labels: IntArray, purity: float, device: str = "cpu") -> float:
    """Return the largest radius at which the share ``purity`` of the open balls around features (N, D) has one label.

    labels: (N,) 0..K-1. A ball is pure up to the distance of the nearest point with another label; the radius is
    infinite if there is only one label.
    """
    alien: NDArray[np.float64] = np.full(len(features), np.inf)
    for label in np.unique(labels):
        inside = labels == label
        if not inside.all():
            alien[inside] = nearest(features[~inside], features[inside], 1, device)[0][:, 0]
    impure = int((1 - purity) * len(features) + 1e-9)  # number of balls that may contain another label
    return float(np.sort(alien)[impure])
