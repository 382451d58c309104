"""The body of the View that strategies get: pixels, an embedding, streamed predictions, and no labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from alseg_core import seeding
from alseg_core.data.slices import Slices, SliceTable
from alseg_core.errors import ConfigError
from alseg_core.training.inference import Ensemble, chunk_size
from alseg_core.vocabulary import FloatArray, IntArray, LabelArray


@dataclass(eq=False)
class Signals:
    """Implements :class:`alseg_core.strategies.View`; see there. It leads to no label that was not bought.

    features: (N, D) embedding of the recipe, None for a strategy that uses none. purchases: positions and labels bought
    so far.
    """

    slices: Slices
    labelled: IntArray
    unlabelled: IntArray
    ensemble: Ensemble | None
    features: FloatArray | None
    purchases: tuple[IntArray, LabelArray]
    classes: int
    round: int
    rounds: int
    device: str

    @property
    def table(self) -> SliceTable:
        """Patient, volume and z of every slice."""
        return self.slices.table

    def images(self, positions: IntArray) -> np.ndarray:
        """(B, C, H, W) float32 network input of the given slices."""
        return self.slices.images(positions)

    def embedding(self) -> FloatArray:
        """(N, D) float32 feature vector of every slice."""
        if self.features is None:
            raise ConfigError("a strategy that works on an embedding says needs_embedding = True.")
        return self.features

    def bought(self) -> tuple[IntArray, LabelArray]:
        """Positions (L,) and their labels (L, H, W) uint8, 255 = unmarked."""
        return self.purchases

    def member_probabilities(self, positions: IntArray) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        """Chunks of positions, each with the class probabilities of every member."""
        for chunk, images in self._chunks(positions):
            yield chunk, self._networks().probabilities(images)

    def dropout_probabilities(
        self, positions: IntArray, passes: int, rng: np.random.Generator
    ) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        """Chunks of positions, each with the class probabilities of every dropout pass of the best member."""
        for chunk, images in self._chunks(positions):
            yield chunk, self._networks().dropout_probabilities(images, passes, seeding.child(rng))

    def pixel_features(self, positions: IntArray) -> Iterator[tuple[IntArray, Tensor, Tensor]]:
        """Chunks of positions with the best member's probabilities and the features its last layer sees."""
        for chunk, images in self._chunks(positions):
            yield chunk, *self._networks().pixel_features(images)

    def _chunks(self, positions: IntArray) -> Iterator[tuple[IntArray, Tensor]]:
        size = chunk_size(self.slices.size, self.device)
        for start in range(0, len(positions), size):
            chunk = positions[start : start + size]
            yield chunk, torch.from_numpy(self.slices.images(chunk))

    def _networks(self) -> Ensemble:
        if self.ensemble is None:
            raise ConfigError("there is no trained network yet; a strategy that needs one says needs_model = True.")
        return self.ensemble


@dataclass(eq=False)
class ReferenceSignals(Signals):
    """The view of an ``oracle_*`` reference: with a door to ground truth that bills every read."""

    read_masks: Callable[[], LabelArray] | None = None

    def ground_truth(self) -> LabelArray:
        """(N, H, W) uint8 masks of all slices."""
        if self.read_masks is None:
            raise ConfigError("a reference needs ground truth, and this run has none.")
        return self.read_masks()
