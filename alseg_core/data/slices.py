"""The slice table and the images that it indexes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from alseg_core.vocabulary import IntArray


@dataclass(frozen=True, eq=False)
class SliceTable:
    """Origin of each slice; the only place that translates positions 0..N-1 to (case, z) and back."""

    cases: tuple[str, ...]
    """(K,) ids of the volumes."""
    patients: tuple[str, ...]
    """(K,) id of the patient of each volume."""
    volume: IntArray
    """(N,) index of each slice's volume in ``cases``."""
    z: IntArray
    """(N,) 0-based number of each slice in its volume."""

    def __len__(self) -> int:
        return len(self.z)

    @cached_property
    def patient(self) -> IntArray:
        """(N,) index of each slice's patient, numbered in order of first appearance."""
        number = {name: i for i, name in enumerate(dict.fromkeys(self.patients))}
        return np.array([number[p] for p in self.patients], dtype=np.int64)[self.volume]

    @cached_property
    def depth(self) -> IntArray:
        """(K,) number of slices of each volume."""
        return np.bincount(self.volume, minlength=len(self.cases)).astype(np.int64)

    @cached_property
    def relative_z(self) -> NDArray[np.float64]:
        """(N,) position of each slice in its volume, in (0, 1): (z + 1/2) / depth."""
        return (self.z + 0.5) / self.depth[self.volume]

    def locate(self, position: int) -> tuple[str, int]:
        """Return (case, z) of a position."""
        return self.cases[int(self.volume[position])], int(self.z[position])

    def of_volume(self, volume: int) -> IntArray:
        """Return the positions of one volume's slices, in the order of z."""
        members = np.flatnonzero(self.volume == volume)
        return members[np.argsort(self.z[members])].astype(np.int64)

    def subset(self, cases: Sequence[str]) -> tuple[SliceTable, IntArray]:
        """Return the table of the given cases, in their order, and the (n,) positions of its rows in this table."""
        index = {case: i for i, case in enumerate(self.cases)}
        chosen = [index[case] for case in cases]
        rows = [self.of_volume(i) for i in chosen]
        positions = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
        volume = np.repeat(np.arange(len(chosen)), [len(r) for r in rows]).astype(np.int64)
        table = SliceTable(tuple(cases), tuple(self.patients[i] for i in chosen), volume, self.z[positions])
        return table, positions


@dataclass(frozen=True, eq=False)
class Slices:
    """Images of a table's slices, in an array that all splits share."""

    table: SliceTable
    base: NDArray[np.float32]
    """(M, C, H, W) float32, shared by all splits."""
    rows: IntArray
    """(N,) row of ``base`` for each position."""

    def __len__(self) -> int:
        return len(self.table)

    @property
    def channels(self) -> int:
        """Image channels: 1 for grey, 3 for colour."""
        return int(self.base.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of a slice."""
        return int(self.base.shape[2]), int(self.base.shape[3])

    def images(self, positions: IntArray | None = None) -> NDArray[np.float32]:
        """Return a (B, C, H, W) float32 copy of the given slices, or of all slices when None."""
        return self.base[self.rows if positions is None else self.rows[positions]]
