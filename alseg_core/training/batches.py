"""The training set, and the slices and random numbers of every training step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alseg_core.data.slices import SliceTable
from alseg_core.device.feed import placed
from alseg_core.training.augment import Augment
from alseg_core.vocabulary import IGNORE, IntArray, LabelArray


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Slices with their labels and the volumes they come from; for a volumetric model all slices of each volume."""

    images: Tensor
    """(n, C, H, W) float32, on ``device`` or in host memory if they do not fit there."""
    labels: Tensor
    """(n, H, W) uint8, IGNORE = unmarked; where the images are."""
    volume: IntArray
    """(n,) number of the slice's volume."""
    z: IntArray
    """(n,) number of the slice in its volume."""
    device: torch.device
    """Device of the training."""

    @classmethod
    def of(
        cls, images: NDArray[np.float32], labels: LabelArray, volume: IntArray, z: IntArray, device: str | torch.device
    ) -> TrainingSet:
        """Build the set from arrays, on the device if they fit there."""
        on = torch.device(device)
        held, marked = placed([torch.from_numpy(images), torch.from_numpy(labels)], on)
        return cls(held, marked, volume, z, on)


@dataclass(frozen=True, eq=False)
class Steps:
    """Slices and random numbers of all steps, drawn before the first one, so that no step waits for the host."""

    rows: list[IntArray]
    """(n_s,) slices of each step s."""
    parts: list[tuple[int, ...]]
    """Number of slices in each part of each step; a part passes through the network alone."""
    numbers: NDArray[np.float32]
    """(steps, 1 + 4 M): draw of the loss in [0, 1) and M maps (2, 2) of the augmentation, one per slice or volume."""

    def __len__(self) -> int:
        return len(self.rows)


def whole_volumes(table: SliceTable, positions: IntArray, labels: LabelArray) -> tuple[IntArray, LabelArray]:
    """Return all slices of the volumes with a labelled slice, and their labels; slices without labels are IGNORE.

    positions: (L,) labelled, with labels (L, H, W) uint8. The volumes keep the order in which they were first labelled.
    """
    volumes = list(dict.fromkeys(table.volume[positions].tolist()))
    everything = np.concatenate([table.of_volume(volume) for volume in volumes])
    row = {int(position): i for i, position in enumerate(everything)}
    out = np.full((len(everything), *labels.shape[1:]), IGNORE, np.uint8)
    out[[row[int(position)] for position in positions]] = labels
    return everything, out


def balanced_order(count: int, steps: int, batch: int, rng: np.random.Generator) -> IntArray:
    """Return the items (steps, batch) of each step: one permutation of all items after another."""
    rounds = math.ceil(steps * batch / count)
    stream = np.concatenate([rng.permutation(count) for _ in range(rounds)])
    return stream[: steps * batch].reshape(steps, batch)


def slice_steps(data: TrainingSet, steps: int, batch: int, augment: Augment, rng: np.random.Generator) -> Steps:
    """Draw steps of ``batch`` slices in one part, each slice with a map of its own."""
    order = balanced_order(len(data.images), steps, batch, rng)
    return Steps(list(order), [(batch,)] * steps, _numbers(steps, batch, augment, rng))


def volume_steps(
    data: TrainingSet, steps: int, batch: int, window: int, augment: Augment, rng: np.random.Generator
) -> Steps:
    """Draw steps of ``batch`` volumes, one per part: up to ``window`` neighbouring slices, all moved by the same map.

    A step is at most batch x window slices, whatever the depth of the volumes. The window of a deeper volume contains a
    slice drawn at random among its slices with a marked pixel. Volumes without any are left out, unless nothing is
    marked anywhere.
    """
    order = np.lexsort((data.z, data.volume))
    volumes = np.split(order, np.flatnonzero(np.diff(data.volume[order])) + 1)
    labelled = (data.labels != IGNORE).flatten(1).any(dim=1).cpu().numpy()
    if not labelled.any():
        labelled[:] = True
    volumes = [rows for rows in volumes if labelled[rows].any()]
    rows, parts = [], []
    for step in balanced_order(len(volumes), steps, batch, rng):
        chosen = [_window(volumes[i], labelled, window, rng) for i in step]
        rows.append(np.concatenate(chosen))
        parts.append(tuple(len(part) for part in chosen))
    return Steps(rows, parts, _numbers(steps, batch, augment, rng))


def moved_volume(augment: Augment, images: Tensor, labels: Tensor, fill: int, one: Tensor) -> tuple[Tensor, Tensor]:
    """Return the slices of a volume moved by the map ``one`` (2, 2); slices without any label stay all IGNORE."""
    empty = (labels == IGNORE).flatten(1).all(dim=1)
    images, labels = augment(images, labels, fill, one.expand(len(images), 2, 2))
    return images, labels.masked_fill_(empty[:, None, None], IGNORE)


def _window(rows: IntArray, labelled: NDArray[np.bool_], window: int, rng: np.random.Generator) -> IntArray:
    if len(rows) <= window:
        return rows
    centre = rng.choice(np.flatnonzero(labelled[rows]))
    start = rng.integers(max(0, centre - window + 1), min(centre, len(rows) - window) + 1)
    return rows[start : start + window]


def _numbers(steps: int, maps: int, augment: Augment, rng: np.random.Generator) -> NDArray[np.float32]:
    drawn = augment.matrices(steps * maps, rng).reshape(steps, 4 * maps)
    return np.concatenate([rng.random((steps, 1), dtype=np.float32), drawn], axis=1)
