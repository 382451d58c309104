"""Batches for the group losses (Vepa et al., NeurIPS 2024, Algorithm 1)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np

from alseg_core.data.slices import SliceTable
from alseg_core.vocabulary import IntArray

GroupName = Literal["slice", "volume", "patient"]

Batches = Literal["by_losses", "patient_mates"]
"""Partners of an anchor: one for each group loss that is on (Algorithm 1), or all three whatever the losses."""


def partners(batches: Batches, losses: Collection[GroupName]) -> tuple[GroupName, ...]:
    """Return the kinds of partners of an anchor in a training with these group ``losses``."""
    names: tuple[GroupName, ...] = ("slice", "volume", "patient")
    return names if batches == "patient_mates" else tuple(name for name in names if name in losses)


def groups_per_batch(losses: Collection[GroupName], batch: int) -> int:
    """Return the number of groups in a batch, the nearest to ``batch`` slices and at least one.

    A group is the anchor and one partner per loss: 8 slices stay 8 with one or three group losses and become 9 with
    two.
    """
    return max(1, round(batch / (1 + len(losses))))


def epoch_batches(
    table: SliceTable, losses: Collection[GroupName], batch: int, rng: np.random.Generator
) -> list[IntArray]:
    """Draw the positions of every batch of one epoch, each (b,) int64 without repeats.

    Every slice is an anchor exactly once. A group is [anchor, random neighbour z±1, random other slice of the volume,
    random other slice of the patient], one partner for each of the ``losses``; a partner that does not exist is left
    out. The groups of a batch come from different patients. Patients are drawn in proportion to their remaining
    anchors, which keeps the tail of batches with few patients short; once fewer patients remain than a batch holds,
    batches are smaller.
    """
    patient_of, volume_of = table.patient, table.volume
    in_patient, in_volume = _members(patient_of), _members(volume_of)
    at = {(int(v), int(z)): i for i, (v, z) in enumerate(zip(volume_of, table.z, strict=True))}
    waiting = [rng.permutation(members).tolist() for members in in_patient]
    left = np.array([len(anchors) for anchors in waiting], dtype=np.int64)
    size = groups_per_batch(losses, batch)

    def partner(group: list[int], candidates: Collection[int]) -> None:
        free = [i for i in candidates if i not in group]
        if free:
            group.append(free[int(rng.integers(len(free)))])

    batches: list[IntArray] = []
    while left.any():
        drawn = rng.choice(len(left), size=min(size, int(np.count_nonzero(left))), replace=False, p=left / left.sum())
        left[drawn] -= 1
        positions: list[int] = []
        for patient in drawn:
            anchor = waiting[patient].pop()
            group = [anchor]
            if "slice" in losses:
                volume, z = int(volume_of[anchor]), int(table.z[anchor])
                partner(group, [at[key] for key in ((volume, z - 1), (volume, z + 1)) if key in at])
            if "volume" in losses:
                partner(group, in_volume[volume_of[anchor]])
            if "patient" in losses:
                partner(group, in_patient[patient])
            positions += group
        batches.append(np.array(positions, dtype=np.int64))
    return batches


def _members(index: IntArray) -> list[list[int]]:
    """Return the positions of each value 0..max of ``index``, an empty list for an absent value."""
    order = np.argsort(index, kind="stable")
    ends = np.cumsum(np.bincount(index))
    return [part.tolist() for part in np.split(order, ends[:-1])]
