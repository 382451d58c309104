"""Which slices of a batch belong together, from the metadata alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alseg_core.data.slices import SliceTable
from alseg_core.vocabulary import IntArray


@dataclass(frozen=True, eq=False)
class Groups:
    """Group relations of B slices, each (B, B) bool, symmetric, true on the diagonal.

    patient: same patient. volume: same volume. slice: same volume and at most one slice apart.
    """

    patient: NDArray[np.bool_]
    volume: NDArray[np.bool_]
    slice: NDArray[np.bool_]


def relate(table: SliceTable, positions: IntArray) -> Groups:
    """Group relations of the slices at ``positions`` (B,)."""
    patient, volume, z = table.patient[positions], table.volume[positions], table.z[positions]
    same_volume = volume[:, None] == volume[None]
    near = np.abs(z[:, None] - z[None]) <= 1
    return Groups(patient[:, None] == patient[None], same_volume, same_volume & near)
