"""Which slices of a batch belong together, from the metadata alone."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Groups:
    """Group relations of B slices, each (B, B) bool, symmetric, true on the diagonal.

    patient: same patient. volume: same volume. slice: same volume and at most one slice apart.
    """

    patient: Tensor
    volume: Tensor
    slice: Tensor


def relate(patient: Tensor, volume: Tensor, z: Tensor) -> Groups:
    """Group relations of B slices from the numbers of their patients, volumes and places in them, each (B,) integer.

    They stay on the device, which asks nothing of the host.
    """
    same_volume = volume[:, None] == volume
    near = (z[:, None] - z).abs() <= 1
    return Groups(patient[:, None] == patient, same_volume, same_volume & near)
