"""SUGFW: clusters of uncertainty-weighted features, and slices of unlike uncertainty from them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from alseg_core.errors import ConfigError
from alseg_core.geometry.clusters import k_means, unit_length, visit
from alseg_core.registry import component
from alseg_core.strategies.scores import NestedScore, Score
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import IntArray, Selection


@component
class Sugfw(Strategy):
    """From each cluster of uncertainty-weighted features, the slice whose uncertainty differs most from those picked.

    Features of length 1 are multiplied by the slice's uncertainty u under augmentation, as a share of the largest, and
    k-means makes as many clusters as there are slices to pick, visited from the largest to the smallest. The first
    gives its slice of median u (the lower one of two), each further one the slice with the largest distance
    min_j abs(u - u_j) to the picks j so far.

    The paper starts from nothing with features and predictions of SAM, weights patches and pools them. Here the
    networks of the last round predict, any embedding of whole slices is weighted, and the order of the clusters, which
    public text leaves open, is ours. Where equal slices make fewer clusters than picks, those with the fewest picks
    come again.
    """

    needs_model: ClassVar[bool] = True
    needs_embedding: ClassVar[bool] = True
    paper: ClassVar[str] = "SUGFW, MICCAI 2025"

    score: NestedScore = Score(source="tta", passes=8)
    """Uncertainty of a slice; by default the entropy of the mean prediction over the symmetries of a square. Raises
    ConfigError for source "auto", which is never augmentation."""

    def __post_init__(self) -> None:
        if self.score.source == "auto":
            raise ConfigError(
                f"score: sugfw weighs slices by their uncertainty under augmentation; say where that of "
                f"{self.score.name!r} comes from, as in score: {{name: {self.score.name}, source: tta, passes: 8}}."
            )

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        doubt = self.score.of(view, rng)
        weights = doubt / max(float(doubt.max()), np.finfo(np.float64).tiny)
        features = unit_length(view.embedding()[view.unlabelled]) * weights[:, None]
        labels = k_means(features, budget, rng, device=view.device).labels
        return Selection(view.unlabelled[unlike(doubt, labels, budget)])

    def passes_per_slice(self, members: int) -> int:
        """See :class:`Strategy`."""
        return self.score.passes_per_slice(members)

    def needs_dropout(self, members: int) -> bool:
        """See :class:`Strategy`."""
        return self.score.needs_dropout(members)

    def needs_network(self, members: int) -> bool:
        """See :class:`Strategy`."""
        return self.needs_dropout(members)


def unlike(doubt: NDArray[np.float64], labels: IntArray, count: int) -> IntArray:
    """Pick ``count`` rows of uncertainties (n,) from their clusters (n,) in turn; ties go to the first row."""
    rows = np.arange(len(doubt))
    distance = np.full(len(doubt), np.inf)
    free = np.ones(len(doubt), dtype=bool)
    picks = np.empty(count, dtype=np.int64)
    for i, cluster in enumerate(visit(labels, rows[:0], rows, count)):
        members = np.flatnonzero(free & (labels == cluster))
        if i == 0:
            pick = members[np.argsort(doubt[members], kind="stable")[(len(members) - 1) // 2]]
        else:
            pick = members[np.argmax(distance[members])]
        picks[i], free[pick] = pick, False
        distance = np.minimum(distance, np.abs(doubt - doubt[pick]))
    return picks
