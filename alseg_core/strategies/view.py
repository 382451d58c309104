"""What a query strategy sees of a run, and what it is asked to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import numpy as np

from alseg_core.data.slices import SliceTable
from alseg_core.vocabulary import FloatArray, IntArray, LabelArray, Selection

if TYPE_CHECKING:  # strategies are listed without waiting for torch
    from torch import Tensor


class View(Protocol):
    """The pool as a strategy sees it: geometry, pixels, signals and the labels that were bought; no other labels.

    Predictions are computed when they are asked for. Positions are those of ``table``; ``labelled`` and ``unlabelled``
    list them by volume and z, whatever their numbers, so that draws and ties do not depend on the numbering.
    classes: number of classes, background included. round: 0-based, of ``rounds``. device: where networks run.
    """

    classes: int
    round: int
    rounds: int
    device: str

    @property
    def table(self) -> SliceTable:
        """Patient, volume and z of every slice."""
        ...

    @property
    def labelled(self) -> IntArray:
        """(L,) positions annotated so far, by volume and z."""
        ...

    @property
    def unlabelled(self) -> IntArray:
        """(U,) positions not annotated yet, by volume and z."""
        ...

    def images(self, positions: IntArray) -> np.ndarray:
        """(B, C, H, W) float32 network input of the given slices, not augmented."""
        ...

    def embedding(self) -> FloatArray:
        """(N, D) float32 feature vector of every slice, from the recipe's embedder."""
        ...

    def bought(self) -> tuple[IntArray, LabelArray]:
        """Positions (L,) and their labels (L, H, W) uint8 as the oracle gave them, 255 = unmarked."""
        ...

    def member_probabilities(self, positions: IntArray) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        """Chunks of positions, each with the class probabilities (B, K, H, W) of every member of the ensemble."""
        ...

    def dropout_probabilities(
        self, positions: IntArray, passes: int, rng: np.random.Generator
    ) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        """Chunks of positions, each with the probabilities (B, K, H, W) of every dropout pass of the best member."""
        ...

    def pixel_features(self, positions: IntArray) -> Iterator[tuple[IntArray, Tensor, Tensor]]:
        """Chunks of positions with the best member's probabilities (B, K, H, W) and pixel features (B, D, H, W).

        Pixel features are what the network's last layer sees.
        """
        ...


@runtime_checkable
class ReferenceView(View, Protocol):
    """The view of an ``oracle_*`` reference, which may read ground truth. The read is billed in the ledger."""

    def ground_truth(self) -> LabelArray:
        """(N, H, W) uint8 masks of all slices."""
        ...


class Strategy:
    """Base of all query strategies: picks exactly ``budget`` distinct unlabelled slices.

    needs_model: uses the networks of the round before; the first round, which has none, is random. needs_embedding:
    works on the recipe's embedding. reads_ground_truth: a reference, named ``oracle_*``. Ties go to the first in
    ``view.unlabelled``, and all randomness comes from ``rng``.
    """

    needs_model: ClassVar[bool] = False
    needs_embedding: ClassVar[bool] = False
    reads_ground_truth: ClassVar[bool] = False
    paper: ClassVar[str] = ""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """Positions to annotate next, 1 <= budget <= number of unlabelled slices."""
        raise TypeError(f"{type(self).__name__} does not define select(view, budget, rng)")

    def passes_per_slice(self, members: int) -> int:
        """Number of forward passes of each slice in one query when a round trains ``members`` networks."""
        return members if self.needs_model else 0
