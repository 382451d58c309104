"""Which slices of a batch belong together, from the metadata alone."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Groups:
    """Group relations of B slices, each (B, B) bool, symmetric, true on the diagonal."""

    patient: Tensor
    """Same patient."""
    volume: Tensor
    """Same volume."""
    slice: Tensor
    """Same volume and at most one slice apart."""


def relate(patient: Tensor, volume: Tensor, z: Tensor) -> Groups:
    """Return the group relations of B slices, given patient, volume and z of each, (B,) integers.

    The result stays on the device, without a transfer to the host.
    """
    same_volume = volume[:, None] == volume
    near = (z[:, None] - z).abs() <= 1
    return Groups(patient[:, None] == patient, same_volume, same_volume & near)
