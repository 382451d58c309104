"""Arrays that a run keeps for the pictures of a report: small grey slices with labels, and a reduced embedding."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from alseg_core import seeding
from alseg_core.data.prepared import Prepared
from alseg_core.data.slices import Slices
from alseg_core.oracles import SCORED, Vault
from alseg_core.vocabulary import IntArray, LabelArray

EXAMPLES = 64
"""Largest number of scored volumes of which a slice with truth and prediction is kept."""

EXAMPLE_SIZE = 128
"""Largest side of these slices, in pixels."""

SELECTED = 32
"""Largest number of selected slices that are kept with the labels bought for them."""

SELECTED_SIZE = 64
"""Largest side of these slices, in pixels."""

POINTS = 2000
"""Largest number of slices whose embedding is kept."""

COMPONENTS = 32
"""Number of principal components that are kept of the embedding."""


class Examples:
    """The slice with the most foreground of up to :data:`EXAMPLES` volumes, with the prediction.

    An instance is the ``seen`` of :meth:`alseg_core.evaluate.Evaluation.volumes`. The truth of a kept slice is read
    once more, on the network's grid, and entered in the ledger.
    """

    def __init__(
        self, prepared: Prepared, cases: Sequence[str], vault: Vault, part: Literal["test", "val"] = "test"
    ) -> None:
        """part: whose volumes ``cases`` are."""
        self._prepared, self._vault, self._part = prepared, vault, part
        self._wanted = {cases[i] for i in _evenly(len(cases), EXAMPLES)}
        self._kept: list[dict[str, Any]] = []

    def __call__(self, case: str, labels: LabelArray, truth: LabelArray) -> None:
        """Add the prediction (D, size, size) of a case whose native truth is (D, h, w)."""
        if case not in self._wanted:
            return
        z = int((truth > 0).sum(axis=(1, 2)).argmax())
        slices = self._prepared.slices([case])
        position = slices.table.of_volume(0)[z : z + 1]
        rows = slices.rows[position]
        mask = self._vault.masks(rows, "pictures", *SCORED[self._part])
        self._kept.append(
            {
                "image": grey(slices.images(position), EXAMPLE_SIZE)[0],
                "truth": shrunk(mask, EXAMPLE_SIZE)[0],
                "prediction": shrunk(labels[z : z + 1], EXAMPLE_SIZE)[0],
                "case": case,
                "z": z,
            }
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return image, truth, prediction (K, h, w) uint8, case (K,) and z (K,)."""
        names = ("image", "truth", "prediction", "case", "z")
        return {name: np.array([kept[name] for kept in self._kept]) for name in names}


def selected(slices: Slices, positions: IntArray, labels: LabelArray) -> dict[str, np.ndarray]:
    """Return at most :data:`SELECTED` bought slices: image, label (K, h, w) uint8, case (K,), z (K,).

    positions: (B,) with their labels (B, H, W), 255 = unmarked.
    """
    chosen = _evenly(len(positions), SELECTED)
    places = [slices.table.locate(int(position)) for position in positions[chosen]]
    return {
        "image": grey(slices.images(positions[chosen]), SELECTED_SIZE),
        "label": shrunk(labels[chosen], SELECTED_SIZE),
        "case": np.array([case for case, _ in places]),
        "z": np.array([z for _, z in places]),
    }


def embedding(slices: Slices, features: NDArray[np.float32], labelled: IntArray) -> dict[str, np.ndarray]:
    """Return principal components of features (N, D) of up to :data:`POINTS` slices, with facts to colour them by.

    Arrays: points (K, C) float16, patient and volume (K,) int64, position (K,) float32 in (0, 1), labelled (K,) bool,
    digest ().
    """
    chosen, table = _evenly(len(features), POINTS), slices.table
    centred = torch.from_numpy(features[chosen].astype(np.float32))
    centred -= centred.mean(dim=0)
    count = min(COMPONENTS, *centred.shape)
    with seeding.torch_seeded(0):
        left, spread, _ = torch.pca_lowrank(centred, q=count, center=False)
    points = (left * spread).numpy()
    points /= max(float(np.abs(points).max()), 1e-12)  # distances count in proportion, and float16 ends at 65,504
    return {
        "points": points.astype(np.float16),
        "patient": table.patient[chosen],
        "volume": table.volume[chosen],
        "position": table.relative_z[chosen].astype(np.float32),
        "labelled": np.isin(chosen, labelled),
        "digest": np.array(hashlib.sha256(np.ascontiguousarray(features).tobytes()).hexdigest()[:16]),
    }


def grey(images: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    """Return images (B, C, H, W) as (B, h, w): mean of the channels, each slice 0..255, sides at most ``size``."""
    mean = torch.from_numpy(np.ascontiguousarray(images.mean(axis=1, keepdims=True)))
    if max(mean.shape[-2:]) > size:
        mean = torch.nn.functional.interpolate(mean, _smaller(mean.shape[-2:], size), mode="area")
    low, high = mean.amin(dim=(1, 2, 3), keepdim=True), mean.amax(dim=(1, 2, 3), keepdim=True)
    scaled: NDArray[np.uint8] = (255 * (mean - low) / (high - low).clamp(min=1e-6)).round().byte()[:, 0].numpy()
    return scaled


def shrunk(labels: LabelArray, size: int) -> LabelArray:
    """Return labels (B, H, W) as (B, h, w), nearest neighbour, sides at most ``size``."""
    if max(labels.shape[1:]) <= size:
        return labels.copy()
    h, w = _smaller(labels.shape[1:], size)
    rows, columns = (np.arange(n) * full // n for n, full in ((h, labels.shape[1]), (w, labels.shape[2])))
    return labels[:, rows[:, None], columns]


def _smaller(shape: Sequence[int], size: int) -> tuple[int, int]:
    h, w = (max(1, side * size // max(shape)) for side in shape)
    return h, w


def _evenly(count: int, limit: int) -> IntArray:
    """Return at most ``limit`` indices of ``count`` items, evenly spread."""
    return np.arange(count) if count <= limit else np.arange(limit) * count // limit
