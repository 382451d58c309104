"""Euclidean distances between feature vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alseg_core.vocabulary import FloatArray, IntArray

_BLOCK_BYTES = 1 << 23  # differences are formed in blocks that stay in cache


def distances_to(features: FloatArray, point: FloatArray) -> NDArray[np.float64]:
    """Euclidean distances (N,) of features (N, D) to one point (D,).

    The differences are squared as they are; the shortcut over |x|^2 - 2xy + |y|^2 would cancel for close points.
    """
    result = np.empty(len(features), dtype=np.float64)
    step = max(1, _BLOCK_BYTES // max(1, features[0:1].nbytes))
    for start in range(0, len(features), step):
        difference = features[start : start + step] - point
        result[start : start + step] = np.einsum("nd,nd->n", difference, difference)
    return np.sqrt(result, out=result)


def nearest_centre(features: FloatArray, centres: IntArray) -> NDArray[np.float64]:
    """Distance (N,) of each feature to the nearest of the features at ``centres`` (L,); infinite when there is none."""
    nearest = np.full(len(features), np.inf)
    for centre in centres:
        np.minimum(nearest, distances_to(features, features[centre]), out=nearest)
    return nearest


def cover_radius(features: FloatArray, centres: IntArray) -> float:
    """Value of the k-centre objective (Eq. 2 of Vepa et al., NeurIPS 2024): max over points of min over centres."""
    return float(nearest_centre(features, centres).max())
