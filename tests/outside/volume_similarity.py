"""A metric that the package does not have: a study names it ``tests.outside.volume_similarity:VolumeSimilarity``."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from alseg_core.metrics.metric import Metric
from alseg_core.registry import component


@component
class VolumeSimilarity:
    """Similarity of the two volumes wherever they are, 1 - ||A| - |B|| / (|A| + |B|), in [0, 1]."""

    metric: ClassVar[Metric] = Metric(
        "volume_similarity", "volume similarity", decimals=2, meaning="agreement of the sizes alone"
    )

    def score(
        self, prediction: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
    ) -> float:
        """Return the similarity of two structures (D, H, W); NaN if both are empty."""
        a, b = int(prediction.sum()), int(truth.sum())
        return 1 - abs(a - b) / (a + b) if a + b else math.nan
