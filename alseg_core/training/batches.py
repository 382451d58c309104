"""What a network is trained on, and the batches of every step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from alseg_core.data.slices import SliceTable
from alseg_core.training.augment import Augment
from alseg_core.vocabulary import IGNORE, IntArray, LabelArray

Batch = list[tuple[Tensor, Tensor]]
"""Images (B, C, H, W) and labels (B, H, W) of the parts of one step; each part passes through the network alone."""


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Slices with their labels and the volumes they come from.

    images: (n, C, H, W) float32 and labels: (n, H, W) uint8, IGNORE = unmarked, both on the device that trains.
    volume, z: (n,) volume and slice number. For a volumetric network these are all slices of every volume in the set.
    """

    images: Tensor
    labels: Tensor
    volume: IntArray
    z: IntArray


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


def slice_batches(
    data: TrainingSet, steps: int, batch: int, augment: Augment, fill: int, rng: np.random.Generator
) -> Iterator[Batch]:
    """``batch`` slices a step in one part, each augmented on its own."""
    for rows in balanced_order(len(data.images), steps, batch, rng):
        chosen = torch.from_numpy(rows).to(data.images.device)
        yield [augment(data.images[chosen], data.labels[chosen], fill, rng)]


def volume_batches(
    data: TrainingSet, steps: int, batch: int, window: int, augment: Augment, fill: int, rng: np.random.Generator
) -> Iterator[Batch]:
    """``batch`` volumes a step, one a part: up to ``window`` neighbouring slices, all moved by the same map.

    Of a deeper volume the window holds a labelled slice drawn at random. Unlabelled slices stay wholly IGNORE.
    """
    order = np.lexsort((data.z, data.volume))
    volumes = np.split(order, np.flatnonzero(np.diff(data.volume[order])) + 1)
    empty = (data.labels == IGNORE).flatten(1).all(dim=1)
    labelled = ~empty.cpu().numpy()
    for step in balanced_order(len(volumes), steps, batch, rng):
        parts: Batch = []
        for rows in (volumes[i] for i in step):
            if len(rows) > window:
                centre = rng.choice(np.flatnonzero(labelled[rows]))
                start = rng.integers(max(0, centre - window + 1), min(centre, len(rows) - window) + 1)
                rows = rows[start : start + window]
            chosen = torch.from_numpy(rows).to(data.images.device)
            images, labels = augment(data.images[chosen], data.labels[chosen], fill, rng, as_one=True)
            labels[empty[chosen]] = IGNORE
            parts.append((images, labels))
        yield parts
