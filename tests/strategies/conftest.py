"""A pool whose frame is shuffled and whose labels are scattered: where index mistakes show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from alseg_core.data.slices import SliceTable
from alseg_core.vocabulary import IntArray


@dataclass
class PlainView:
    """The View of a strategy over arrays written down by a test."""

    table: SliceTable
    labelled: IntArray
    features: np.ndarray
    members: np.ndarray  # (M, N, K, H, W)
    masks: np.ndarray
    pixels: np.ndarray
    classes: int = 3
    round: int = 1
    rounds: int = 3
    device: str = "cpu"

    @property
    def unlabelled(self) -> IntArray:
        return np.setdiff1d(np.arange(len(self.table)), self.labelled)

    def images(self, positions: IntArray) -> np.ndarray:
        return self.pixels[positions]

    def embedding(self) -> np.ndarray:
        return self.features

    def ground_truth(self) -> np.ndarray:
        return self.masks

    def member_probabilities(self, positions: IntArray) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        for chunk in np.array_split(positions, max(1, len(positions) // 4)):
            yield chunk, iter([torch.from_numpy(m[chunk]) for m in self.members])

    def dropout_probabilities(
        self, positions: IntArray, passes: int, rng: np.random.Generator
    ) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        yield from self.member_probabilities(positions)


def make_view(depths: tuple[int, ...] = (5, 1, 7, 4, 6), labelled: int = 6, seed: int = 0) -> PlainView:
    """Volumes of unequal depth, one of a single slice, with rows in shuffled order."""
    rng = np.random.default_rng(seed)
    volume = np.repeat(np.arange(len(depths)), depths)
    z = np.concatenate([np.arange(d) for d in depths])
    n = len(volume)
    shuffle = rng.permutation(n)
    names = tuple(f"case{i}" for i in range(len(depths)))
    patients = tuple(f"patient{i // 2}" for i in range(len(depths)))
    table = SliceTable(names, patients, volume[shuffle].astype(np.int64), z[shuffle].astype(np.int64))
    logits = rng.normal(0, 2, (3, n, 3, 8, 8)).astype(np.float32)
    masks = np.zeros((n, 8, 8), dtype=np.uint8)
    for i in rng.permutation(n)[: n // 3]:
        masks[i, 2:4, 2:4] = rng.integers(1, 3)
    return PlainView(
        table,
        np.sort(rng.permutation(n)[:labelled]).astype(np.int64),
        rng.normal(size=(n, 5)).astype(np.float32),
        torch.from_numpy(logits).softmax(2).numpy(),
        masks,
        rng.random((n, 1, 8, 8)).astype(np.float32),
    )


@pytest.fixture
def view() -> PlainView:
    return make_view()
