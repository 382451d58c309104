"""Greedy k-centre with the metric as a Python function of two slices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Metric = Callable[[int, int], float]
"""metric(slice, centre) -> distance."""

PIXEL_WEIGHT = 1500.0
COPIES = 12


def embedded(features: np.ndarray) -> Metric:
    """Return the metric of Eq. 3: the Euclidean distance of two feature vectors, features (N, D)."""

    def metric(x: int, c: int) -> float:
        difference = features[x].astype(np.float64) - features[c]
        return math.sqrt((difference**2).sum())

    return metric


@dataclass(frozen=True, eq=False)
class Fused:
    """Fused metric: pixels marked by the label of the centre, and the embedding.

    images: (N, H, W). features: (N, D). marks: (H, W) bool of the centres whose label was bought. A centre without one
    uses the root mean square of all pixels over sqrt(usual), with ``usual`` the mean number of marks of a bought slice.
    """

    images: np.ndarray
    features: np.ndarray
    marks: dict[int, np.ndarray]
    usual: float

    def __call__(self, x: int, c: int) -> float:
        """Return d(x, c) = 1500 sqrt(sum_p m_c (I_x - I_c)^2) / |m_c| + sqrt(12) ||h_x - h_c||."""
        difference = self.images[x] - self.images[c]
        if c in self.marks:
            mark = self.marks[c]
            pixels = math.sqrt((mark * difference**2).sum()) / mark.sum()
        else:
            pixels = math.sqrt((difference**2).mean() / self.usual)
        apart = self.features[x].astype(np.float64) - self.features[c]
        return float(PIXEL_WEIGHT * pixels + math.sqrt(COPIES) * math.sqrt((apart**2).sum()))


def to_centre(metric: Metric, slices: Sequence[int], centre: int) -> np.ndarray:
    """Return the distance of every slice to one centre."""
    return np.array([metric(x, centre) for x in slices])


def k_centre(metric: Metric, centres: Sequence[int], candidates: Sequence[int], count: int) -> list[int]:
    """Pick ``count`` candidates, each the farthest from its nearest centre; ties go to the first."""
    gap = {x: min((metric(x, c) for c in centres), default=math.inf) for x in candidates}
    picks: list[int] = []
    for _ in range(count):
        pick = max((x for x in candidates if x not in picks), key=lambda x: gap[x])
        picks.append(pick)
        for x in candidates:
            gap[x] = min(gap[x], metric(x, pick))
    return picks
