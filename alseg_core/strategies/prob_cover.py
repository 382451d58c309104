"""ProbCover: the balls that cover most of what is not covered yet."""

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

    Each pick is the slice with the most uncovered slices nearer than delta, on features of length 1; what is labelled
    covers its ball from the start. A slice's score is the number of slices it newly covers. When everything is covered,
    the rest of the budget is drawn at random (ours; a pick that covers nothing says nothing).

    delta: radius, in (0, 2], or "auto": the largest at which the share ``purity`` of all balls holds slices of one
    pseudo-class alone. pseudo_classes: number of k-means clusters that stand for classes, as slices have none.
    """

    needs_embedding: ClassVar[bool] = True
    paper: ClassVar[str] = "Yehuda, Dekel, Hacohen, Weinshall, NeurIPS 2022"
    delta: Annotated[float, Field(gt=0, le=2)] | Literal["auto"] = "auto"
    purity: Annotated[float, Field(gt=0, le=1)] = 0.95
    pseudo_classes: Annotated[int, Field(ge=2)] = 10

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
        """``delta``, or the automatic one: of the features alone, so that it is the same in every round and seed."""
        if self.delta != "auto":
            return self.delta
        features = unit_length(view.embedding()[np.lexsort((view.table.z, view.table.volume))])
        groups = k_means(features, self.pseudo_classes, np.random.default_rng(0), device=view.device).labels
        return pure_radius(features, groups, self.purity, view.device)


def reached(balls: Balls, rows: IntArray, size: int) -> IntArray:
    """How many of the points ``rows`` lie in the ball of each of the ``size`` points, (size,) int64."""
    count = np.zeros(size, dtype=np.int64)
    for _, _, member in balls.around(rows):  # who is in the ball of a row has the row in its own
        count += np.bincount(member, minlength=size)
    return count


def pure_radius(features: FloatArray, labels: IntArray, purity: float, device: str = "cpu") -> float:
    """Largest radius at which the share ``purity`` of the open balls around features (N, D) holds one label alone.

    labels: (N,) 0..K-1. A ball is pure up to the distance of the nearest point with another label; infinite when there
    is only one label.
    """
    alien: NDArray[np.float64] = np.full(len(features), np.inf)
    for label in np.unique(labels):
        inside = labels == label
        if not inside.all():
            alien[inside] = nearest(features[~inside], features[inside], 1, device)[0][:, 0]
    impure = int((1 - purity) * len(features) + 1e-9)  # so many balls may hold another label
    return float(np.sort(alien)[impure])
