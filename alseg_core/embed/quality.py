"""What an embedding knows about the anatomy, measured without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from alseg_core.data.slices import SliceTable
from alseg_core.geometry.neighbours import nearest
from alseg_core.vocabulary import FloatArray, IntArray

QUALITY = "quality"
"""Name of the measures in the signals of a round's record."""
OWN, UNTRAINED, PIXELS = "embedding", "untrained encoder", "pixels"
"""What is measured: the embedding of the recipe, and what it is compared with."""
SHARES = {"same_patient": "patient", "same_volume": "volume"}
"""Shares in which a trained encoder should be above an untrained one -> what the neighbours have in common."""
NEIGHBOURS = 5
"""Nearest neighbours of a slice that are looked at."""
MOST = 4096
"""Most slices whose neighbours are looked at; of a larger pool, an even sample."""


@dataclass(frozen=True)
class Quality:
    """Neighbourhoods and spread of an embedding of a pool; needs no labels."""

    same_patient: float
    """Share of the nearest neighbours of a slice that are slices of its patient, in [0, 1], mean over slices."""
    same_volume: float
    """Share of the nearest neighbours of a slice that are slices of its volume, in [0, 1], mean over slices."""
    height_distance: float
    """Mean difference in relative height, in [0, 1], between a slice and its nearest neighbours."""
    dimension: float
    """Effective dimension: participation ratio (sum of l)^2 / sum of l^2 of the eigenvalues l of the covariance, at
    least 1; 0 if all vectors are equal."""
    norm_spread: float
    """Standard deviation of the lengths of the vectors over their mean; 0 if all are zero."""


def quality(features: FloatArray, table: SliceTable, device: str = "cpu") -> Quality:
    """Measure an embedding: features (N, D) of the slices of ``table``.

    A slice has min(5, N - 1) nearest neighbours, itself excluded; a pool of one slice has none, and shares and heights
    are 0. Pools of more than 4,096 slices are measured on an even sample of slices, whose neighbours are sought in the
    whole pool.
    """
    rows = np.linspace(0, len(table) - 1, min(len(table), MOST)).astype(np.int64)
    chosen = np.asarray(features[rows], dtype=np.float64)
    norms = np.linalg.norm(chosen, axis=1)
    found = neighbours(features, rows, device)
    return Quality(
        same_patient=_mean(table.patient[found] == table.patient[rows, None]),
        same_volume=_mean(table.volume[found] == table.volume[rows, None]),
        height_distance=_mean(np.abs(table.relative_z[found] - table.relative_z[rows, None])),
        dimension=participation(chosen),
        norm_spread=float(norms.std() / norms.mean()) if norms.any() else 0.0,
    )


def neighbours(features: FloatArray, rows: IntArray, device: str = "cpu") -> IntArray:
    """Return the min(5, N - 1) nearest other rows of features (N, D) for each of ``rows`` (M,): (M, k)."""
    k = min(NEIGHBOURS, len(features) - 1)
    if k == 0:
        return np.zeros((len(rows), 0), dtype=np.int64)
    _, found = nearest(features, features[rows], k + 1, device)
    other = found != rows[:, None]
    other[other.all(axis=1), -1] = False  # among many equal vectors, the slice itself may not be found
    rest: IntArray = found[other].reshape(len(rows), k)
    return rest


def fallen(own: Mapping[str, float], untrained: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """Return ("patient" or "volume", share, share of the untrained encoder) where a trained encoder is worse.

    own, untrained: measures by the name of the field of :class:`Quality`.
    """
    pairs = [(what, float(own[share]), float(untrained[share])) for share, what in SHARES.items()]
    return [(what, ours, theirs) for what, ours, theirs in pairs if ours < theirs]


def participation(features: FloatArray) -> float:
    """Return (sum of l)^2 / sum of l^2 of the eigenvalues l of the covariance of features (N, D); 0 without spread.

    Neither the covariance nor its eigenvalues are needed: the sums are the trace and the squared norm of the smaller of
    the two matrices of products, which have the same eigenvalues above 0.
    """
    centred = features - features.mean(axis=0)
    products = centred @ centred.T if len(centred) <= centred.shape[1] else centred.T @ centred
    squares = float(np.square(products).sum())
    return float(np.trace(products)) ** 2 / squares if squares > 0 else 0.0


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0
