"""What strategies see of a run: pixels, an embedding, streamed predictions and bought labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from alseg_core import seeding
from alseg_core.data.slices import Slices, SliceTable
from alseg_core.errors import ConfigError
from alseg_core.geometry.symmetries import draw_symmetries
from alseg_core.training.inference import Ensemble
from alseg_core.training.parts import Part, parts
from alseg_core.vocabulary import FloatArray, IntArray, LabelArray


@dataclass(eq=False, kw_only=True)
class Signals:
    """Implements :class:`alseg_core.strategies.View`. It gives access to no labels but those that were bought.

    Predictions of volumetric networks are made volume by volume: a chunk is the neighbouring ``positions`` of one
    volume, its slices are predicted together with all others of the volume, and memory holds the outputs of one volume.
    Positions sorted by volume, as ``unlabelled`` is, therefore cost one pass per volume.
    """

    slices: Slices
    """The pool."""
    labelled: IntArray
    """(L,) positions annotated so far, ascending."""
    unlabelled: IntArray
    """(U,) positions not annotated yet, ascending."""
    classes: int
    """Number of classes, background included."""
    round: int
    """Number of the round, from 0."""
    rounds: int
    """Number of rounds of the run."""
    device: str
    """Torch device."""
    ensemble: Ensemble | None = None
    """Models of the round before."""
    features: FloatArray | None = None
    """(N, D) embedding of the recipe, None for a strategy that uses none."""
    purchases: tuple[IntArray, LabelArray] | None = None
    """Positions (L,) and labels (L, H, W) bought so far, None before the first purchase."""

    @property
    def table(self) -> SliceTable:
        """The patient, volume and z of every slice."""
        return self.slices.table

    def images(self, positions: IntArray) -> np.ndarray:
        """Return the network input (B, C, H, W) float32 of the given slices."""
        return self.slices.images(positions)

    def embedding(self) -> FloatArray:
        """Return the feature vectors (N, D) float32 of all slices. Raises ConfigError when there is no embedding."""
        if self.features is None:
            raise ConfigError("a strategy that works on an embedding sets needs_embedding = True.")
        return self.features

    def bought(self) -> tuple[IntArray, LabelArray]:
        """Return positions (L,) and their labels (L, H, W) uint8, 255 = unmarked."""
        if self.purchases is None:
            return np.zeros(0, np.int64), np.zeros((0, *self.slices.size), np.uint8)
        return self.purchases

    def member_probabilities(self, positions: IntArray) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        """Yield chunks of positions, each with the class probabilities of every member."""
        networks = self._networks()
        for part in self._parts(positions):
            yield part.positions, map(part.rows_of, networks.probabilities(part.images))

    def dropout_probabilities(
        self, positions: IntArray, passes: int, rng: np.random.Generator
    ) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        """Yield chunks of positions, each with the class probabilities of every dropout pass of the best member."""
        networks = self._networks()
        for part in self._parts(positions):
            found = networks.dropout_probabilities(part.images, passes, seeding.child(rng))
            yield part.positions, map(part.rows_of, found)

    def tta_probabilities(
        self, positions: IntArray, passes: int, rng: np.random.Generator
    ) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        """Yield chunks of positions, each with the probabilities of the best member under the same drawn symmetries."""
        drawn = draw_symmetries(self.slices.size, passes, rng)
        networks = self._networks()
        for part in self._parts(positions):
            yield part.positions, map(part.rows_of, networks.tta_probabilities(part.images, drawn))

    def pixel_features(self, positions: IntArray) -> Iterator[tuple[IntArray, Tensor, Tensor]]:
        """Yield chunks of positions with the best member's probabilities and the features before its last layer."""
        networks = self._networks()
        for part in self._parts(positions):
            probabilities, features = networks.pixel_features(part.images)
            yield part.positions, part.rows_of(probabilities), part.rows_of(features)

    def _parts(self, positions: IntArray) -> Iterator[Part]:
        return parts(self.slices, positions, self._networks().window, self.device)

    def _networks(self) -> Ensemble:
        if self.ensemble is None:
            raise ConfigError("no network is trained yet; a strategy that needs one sets needs_model = True.")
        return self.ensemble


@dataclass(eq=False, kw_only=True)
class ReferenceSignals(Signals):
    """The view of an ``oracle_*`` reference: it gives access to ground truth, and every read is billed."""

    read_masks: Callable[[], LabelArray]
    """Reads the masks (N, H, W) of all slices."""

    def ground_truth(self) -> LabelArray:
        """Return the masks (N, H, W) uint8 of all slices."""
        return self.read_masks()
