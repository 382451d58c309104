"""Query strategies: their interface, and the view of a run that they choose from."""

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

    Predictions are computed on request. A position is a row of ``table``, 0..N-1; ``labelled`` and ``unlabelled`` list
    positions by volume and z, so that draws and ties do not depend on the numbering.
    """

    classes: int
    """Number of classes K, background included."""
    round: int
    """Current round, 0-based."""
    rounds: int
    """Number of rounds in the run."""
    device: str
    """Torch device that networks run on."""

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
        """(U,) positions not yet annotated, by volume and z."""
        ...

    def images(self, positions: IntArray) -> np.ndarray:
        """(B, C, H, W) float32 network input of the given slices, without augmentation."""
        ...

    def embedding(self) -> FloatArray:
        """(N, D) float32 feature vector of every slice, from the recipe's embedder; needs ``needs_embedding``."""
        ...

    def bought(self) -> tuple[IntArray, LabelArray]:
        """Positions (L,) and their labels (L, H, W) uint8 as the oracle gave them, 255 = unmarked."""
        ...

    def member_probabilities(self, positions: IntArray) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        """Iterate over chunks of positions, each with the class probabilities (B, K, H, W) of every ensemble member."""
        ...

    def dropout_probabilities(
        self, positions: IntArray, passes: int, rng: np.random.Generator
    ) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        """Iterate over chunks of positions, each with the probabilities (B, K, H, W) of every dropout pass.

        The passes are those of the best member. passes: number of passes. rng: draws the dropout masks.
        """
        ...

    def tta_probabilities(
        self, positions: IntArray, passes: int, rng: np.random.Generator
    ) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        """Iterate over chunks of positions, each with the probabilities (B, K, H, W) of test-time augmentation.

        The best member sees the slices turned by quarters and mirrored, and its predictions are turned back. passes:
        number of different symmetries, the same for all slices; a square has eight, a rectangle four, which are all
        taken if ``passes`` is not smaller. rng: draws them.
        """
        ...

    def pixel_features(self, positions: IntArray) -> Iterator[tuple[IntArray, Tensor, Tensor]]:
        """Iterate over chunks of positions with the best member's probabilities (B, K, H, W) and features (B, D, H, W).

        The features of a pixel are the input of the network's last layer.
        """
        ...


@runtime_checkable
class ReferenceView(View, Protocol):
    """The view of an ``oracle_*`` reference, which may read ground truth; the ledger records the read."""

    def ground_truth(self) -> LabelArray:
        """(N, H, W) uint8 masks of all slices."""
        ...


class Strategy:
    """Base of all query strategies, which pick exactly ``budget`` distinct unlabelled slices.

    Ties go to the first in ``view.unlabelled``, and all randomness comes from ``rng``.
    """

    format: ClassVar[int] = 1
    """Raise it with every change after which the same settings pick other slices: runs under an older number are not
    continued."""
    needs_model: ClassVar[bool] = False
    """Whether it uses the networks of the previous round; if so, the first round is random."""
    needs_embedding: ClassVar[bool] = False
    """Whether it works on the recipe's embedding."""
    reads_ground_truth: ClassVar[bool] = False
    """Whether it is a reference that reads ground truth; such recipes are named ``oracle_*``."""
    ranks: ClassVar[bool] = False
    """Whether it ranks the pool: its picks are the first of those for any larger budget, at about the same cost."""
    paper: ClassVar[str] = ""
    """Source to cite."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """Pick ``budget`` positions to annotate next, 1 <= budget <= number of unlabelled slices."""
        raise TypeError(f"{type(self).__name__} does not define select(view, budget, rng)")

    def check_pool(self, table: SliceTable) -> None:
        """Raise ConfigError when the settings do not fit the slices of the pool; called before any training."""

    def passes_per_slice(self, members: int) -> int:
        """Number of forward passes of each slice in one query when a round trains ``members`` networks."""
        return members if self.needs_model else 0

    def needs_dropout(self, members: int) -> bool:
        """Whether dropout passes are compared, which are all alike where a network has no dropout."""
        return False

    def needs_network(self, members: int) -> bool:
        """Whether dropout passes or pixel features are used, which trained models other than torch networks lack."""
        return False
