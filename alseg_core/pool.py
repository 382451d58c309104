"""The pool: which slices were labelled in which round, and the labels bought for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alseg_core.errors import PoolError
from alseg_core.vocabulary import IGNORE, Annotation, IntArray, LabelArray, Selection


class Pool:
    """Annotation state of N slices. A slice is never un-labelled or labelled twice."""

    def __init__(self, size: int) -> None:
        self._since: NDArray[np.int64] = np.full(size, -1, dtype=np.int64)
        self._bought: list[Annotation] = []

    def __len__(self) -> int:
        return len(self._since)

    @property
    def labelled(self) -> IntArray:
        """(L,) positions with labels, ascending."""
        return np.flatnonzero(self._since >= 0).astype(np.int64)

    @property
    def unlabelled(self) -> IntArray:
        """(U,) positions without labels, ascending."""
        return np.flatnonzero(self._since < 0).astype(np.int64)

    @property
    def cost(self) -> float:
        """Annotation cost so far, in full-slice equivalents."""
        return sum(a.cost for a in self._bought)

    @property
    def pixels(self) -> tuple[int, int]:
        """Number of labelled pixels so far, and how many of these are foreground."""
        marked = sum(int((a.labels != IGNORE).sum()) for a in self._bought)
        return marked, marked - sum(int((a.labels == 0).sum()) for a in self._bought)

    def check(self, selection: Selection, budget: int) -> None:
        """Raise PoolError unless the selection is exactly ``budget`` distinct unlabelled positions."""
        positions = selection.positions
        if positions.shape != (budget,):
            raise PoolError(f"the strategy was asked for {budget} slices and gave an array of shape {positions.shape}.")
        outside = positions[(positions < 0) | (positions >= len(self))]
        if len(outside):
            raise PoolError(f"positions {outside[:5].tolist()} are outside the pool 0..{len(self) - 1}.")
        if len(np.unique(positions)) != budget:
            raise PoolError(
                f"the strategy picked {budget - len(np.unique(positions))} slices twice; picks are distinct."
            )
        again = positions[self._since[positions] >= 0]
        if len(again):
            raise PoolError(f"positions {again[:5].tolist()} are labelled already; picks are unlabelled slices.")

    def add(self, annotation: Annotation, round_: int) -> None:
        """Add labels (B, H, W) bought in a round. Raises PoolError for positions that are labelled or repeated."""
        self.check(Selection(annotation.positions), len(annotation.positions))
        if len(annotation.labels) != len(annotation.positions):
            raise PoolError(f"{len(annotation.positions)} positions came with {len(annotation.labels)} labels.")
        self._since[annotation.positions] = round_
        self._bought.append(annotation)

    def labels(self) -> tuple[IntArray, LabelArray]:
        """Return positions (L,) in order of purchase and their labels (L, H, W). Raises PoolError if none."""
        if not self._bought:
            raise PoolError("nothing is labelled yet.")
        return np.concatenate([a.positions for a in self._bought]), np.concatenate([a.labels for a in self._bought])
