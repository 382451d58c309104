"""ALPS-style selection: the slices nearest to the centres of clusters."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from alseg_core.geometry.clusters import k_means, unit_length, visit
from alseg_core.registry import component
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection


@component
class Alps(Strategy):
    """The slice nearest to each centroid of as many clusters of the embedding as there are slices to pick.

    Clusters are found by k-means on features of length 1. Rounds after the first are our extension: L labelled slices
    and Q to pick make L + Q clusters, at least Q of them without a label; these are visited first, larger ones first,
    and each gives the candidate nearest to its centroid. If equal features leave fewer clusters, the round continues
    with those that have the fewest labels and picks.
    """

    needs_embedding: ClassVar[bool] = True
    paper: ClassVar[str] = "Yuan, Lin, Boyd-Graber, EMNLP 2020 (clustering step)"

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        positions = np.concatenate([view.labelled, view.unlabelled])
        annotated, candidates = np.split(np.arange(len(positions)), [len(view.labelled)])
        features = unit_length(view.embedding()[positions])
        clusters = k_means(features, len(annotated) + budget, rng, device=view.device)

        labels = clusters.labels[candidates]
        distance = np.linalg.norm(features[candidates] - clusters.centroids[labels], axis=1)
        order = candidates[np.argsort(distance, kind="stable")]
        turns = visit(clusters.labels, annotated, candidates, budget)
        central = {turn: iter(order[clusters.labels[order] == turn].tolist()) for turn in set(turns)}
        return Selection(positions[np.array([next(central[turn]) for turn in turns], dtype=np.int64)])
