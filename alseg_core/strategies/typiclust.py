"""TypiClust: typical slices of clusters without a label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from alseg_core.geometry.clusters import k_means, unit_length, visit
from alseg_core.geometry.neighbours import nearest
from alseg_core.quantities import Count
from alseg_core.registry import component
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import FloatArray, IntArray, Selection


@component
class TypiClust(Strategy):
    """The most typical slice of each cluster of the embedding, clusters with the fewest labels first, then large ones.

    k-means on features of length 1 makes as many clusters as there will be labels, at most ``max_clusters``. The
    typicality of a slice is 1 over its mean distance to the nearest slices of its cluster that have no label, those
    picked before in the same round left out.
    """

    format: ClassVar[int] = 2
    needs_embedding: ClassVar[bool] = True
    paper: ClassVar[str] = "Hacohen, Dekel, Weinshall, ICML 2022"

    max_clusters: Count = 500
    """Largest number of clusters."""
    small: Annotated[int, Field(ge=0, le=10**6)] = 5
    """Clusters of at most this many slices are skipped; lowered as far as needed to fill the budget."""
    neighbours: Count = 20
    """Number of nearest slices in the typicality of a slice, at most half of those without a label in its cluster."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        positions = np.concatenate([view.labelled, view.unlabelled])
        features = unit_length(view.embedding()[positions])

        def score(members: IntArray) -> NDArray[np.float64]:
            return typicality(features[members], self.neighbours, view.device)

        clusters = min(len(view.labelled) + budget, self.max_clusters)
        labels = k_means(features, clusters, rng, device=view.device).labels
        return Selection(positions[best_of_clusters(labels, len(view.labelled), budget, self.small, score)])


def best_of_clusters(
    labels: IntArray, annotated: int, budget: int, small: int, score: Callable[[IntArray], NDArray[np.float64]]
) -> IntArray:
    """Pick ``budget`` rows by their clusters ``labels`` (N,): from each cluster in turn that with the highest score.

    Clusters with the fewest annotated rows and picks come first, then large ones. annotated: number of first rows that
    are annotated. small: clusters of at most this many rows are skipped; lowered as far as needed to fill the budget.
    score: values (n,) of rows (n,), those of a cluster that are neither annotated nor picked; ties go to the first.
    """
    known, candidates = np.split(np.arange(len(labels)), [annotated])
    size = np.bincount(labels)[labels[candidates]]
    for limit in range(small, -1, -1):
        eligible = candidates[size > limit]
        if len(eligible) >= budget:
            break
    left = labels.copy()
    left[known] = -1
    picks = np.empty(budget, dtype=np.int64)
    for i, cluster in enumerate(visit(labels, known, eligible, budget)):
        members = np.flatnonzero(left == cluster)
        picks[i] = pick = members[np.argmax(score(members))]
        left[pick] = -1
    return picks


def typicality(features: FloatArray, neighbours: int, device: str = "cpu") -> NDArray[np.float64]:
    """1 / mean distance of each of features (n, D) to its min(neighbours, n / 2) nearest others; infinite among equals.

    A single point has typicality 0.
    """
    k = min(neighbours, len(features) // 2)
    if k == 0:
        return np.zeros(len(features))
    distances, _ = nearest(features, features, k + 1, device)  # the point itself is one of them, at distance 0
    total = distances.sum(axis=1)
    typical = np.full(len(features), np.inf)
    typical[total > 0] = k / total[total > 0]
    return typical
