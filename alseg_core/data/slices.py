"""The slice table and the pixels it indexes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from alseg_core.vocabulary import IntArray


@dataclass(frozen=True, eq=False)
class SliceTable:
    """Where each slice comes from: the only place that translates positions 0..N-1 to (case, z) and back.

    cases: (K,) ids of the volumes. patients: (K,) id of the patient of each volume. volume: (N,) index into ``cases``.
    z: (N,) slice number in its volume, 0-based.
    """

    cases: tuple[str, ...]
    patients: tuple[str, ...]
    volume: IntArray
    z: IntArray

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
        """(case, z) of a position."""
        return self.cases[int(self.volume[position])], int(self.z[position])

    def of_volume(self, volume: int) -> IntArray:
        """Positions of one volume's slices, in order of z."""
        members = np.flatnonzero(self.volume == volume)
        return members[np.argsort(self.z[members])].astype(np.int64)

    def subset(self, cases: Sequence[str]) -> tuple[SliceTable, IntArray]:
        """Table of the given cases alone, in their order, and the (n,) positions of its rows in this table."""
        index = {case: i for i, case in enumerate(self.cases)}
        chosen = [index[case] for case in cases]
        rows = [self.of_volume(i) for i in chosen]
        positions = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
        volume = np.repeat(np.arange(len(chosen)), [len(r) for r in rows]).astype(np.int64)
        table = SliceTable(tuple(cases), tuple(self.patients[i] for i in chosen), volume, self.z[positions])
        return table, positions


@dataclass(frozen=True, eq=False)
class Slices:
    """Images of a table's slices, read from the shared array without copying the whole.

    base: (M, C, H, W) float32, shared by all splits. rows: (N,) row of ``base`` of each position.
    """

    table: SliceTable
    base: NDArray[np.float32]
    rows: IntArray

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
        """(B, C, H, W) float32 copy of the given slices, of all when None."""
        return self.base[self.rows if positions is None else self.rows[positions]]
