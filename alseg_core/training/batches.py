"""What a network is trained on, and what every step of a training takes."""

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
    """Slices with their labels and the volumes they come from.

    images: (n, C, H, W) float32 and labels: (n, H, W) uint8, IGNORE = unmarked: on ``device``, which trains, or in the
    memory of the host where they do not fit there. volume, z: (n,) volume and slice number. For a volumetric network
    these are all slices of every volume in the set.
    """

    images: Tensor
    labels: Tensor
    volume: IntArray
    z: IntArray
    device: torch.device

    @classmethod
    def of(
        cls, images: NDArray[np.float32], labels: LabelArray, volume: IntArray, z: IntArray, device: str | torch.device
    ) -> TrainingSet:
        """The set of these arrays, brought to the device if it has room for them."""
        on = torch.device(device)
        held, marked = placed([torch.from_numpy(images), torch.from_numpy(labels)], on)
        return cls(held, marked, volume, z, on)


@dataclass(frozen=True, eq=False)
class Steps:
    """What the steps of a training take, all of it drawn before the first one, so that no step waits for the host.

    rows: (n_s,) slices of each step s. parts: how many slices each part of it has; a part passes through the network
    alone. numbers: (steps, 1 + 4 M) float32: the loss's draw in [0, 1) and the M maps (2, 2) of the augmentation, one a
    slice, or one a part where a part is a volume.
    """

    rows: list[IntArray]
    parts: list[tuple[int, ...]]
    numbers: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)


def whole_volumes(table: SliceTable, positions: IntArray, labels: LabelArray) -> tuple[IntArray, LabelArray]:
    """All slices of the volumes with a labelled slice, and their labels; slices without labels are IGNORE.

    positions: (L,) labelled, with labels (L, H, W) uint8. The volumes keep the order in which they were first labelled.
    """
    volumes = list(dict.fromkeys(table.volume[positions].tolist()))
    everything = np.concatenate([table.of_volume(volume) for volume in volumes])
    row = {int(position): i for i, position in enumerate(everything)}
    out = np.full((len(everything), *labels.shape[1:]), IGNORE, np.uint8)
    out[[row[int(position)] for position in positions]] = labels
    return everything, out


def balanced_order(count: int, steps: int, batch: int, rng: np.random.Generator) -> IntArray:
    """(steps, batch) items of each step: one permutation of all after another, so that none is favoured."""
    rounds = math.ceil(steps * batch / count)
    stream = np.concatenate([rng.permutation(count) for _ in range(rounds)])
    return stream[: steps * batch].reshape(steps, batch)


def slice_steps(data: TrainingSet, steps: int, batch: int, augment: Augment, rng: np.random.Generator) -> Steps:
    """``batch`` slices a step in one part, each with a map of its own."""
    order = balanced_order(len(data.images), steps, batch, rng)
    return Steps(list(order), [(batch,)] * steps, _numbers(steps, batch, augment, rng))


def volume_steps(
    data: TrainingSet, steps: int, batch: int, window: int, augment: Augment, rng: np.random.Generator
) -> Steps:
    """``batch`` volumes a step, one a part: up to ``window`` neighbouring slices, all moved by the same map.

    Of a deeper volume the window holds a labelled slice drawn at random.
    """
    order = np.lexsort((data.z, data.volume))
    volumes = np.split(order, np.flatnonzero(np.diff(data.volume[order])) + 1)
    labelled = (data.labels != IGNORE).flatten(1).any(dim=1).cpu().numpy()
    rows, parts = [], []
    for step in balanced_order(len(volumes), steps, batch, rng):
        chosen = [_window(volumes[i], labelled, window, rng) for i in step]
        rows.append(np.concatenate(chosen))
        parts.append(tuple(len(part) for part in chosen))
    return Steps(rows, parts, _numbers(steps, batch, augment, rng))


def moved_volume(augment: Augment, images: Tensor, labels: Tensor, fill: int, one: Tensor) -> tuple[Tensor, Tensor]:
    """Slices of a volume, all moved by the map ``one`` (2, 2); those without any label stay wholly IGNORE."""
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
