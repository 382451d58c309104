"""Validation labels: how many a run reads, which ones, and what a network scores on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from alseg_core import seeding
from alseg_core.data.prepared import Prepared
from alseg_core.data.slices import SliceTable
from alseg_core.device.feed import placed
from alseg_core.errors import ConfigError
from alseg_core.metrics.means import mean_defined
from alseg_core.metrics.overlap import dice, overlaps
from alseg_core.oracles import Vault
from alseg_core.quantities import MOST_SLICES
from alseg_core.training.inference import label_chunks
from alseg_core.training.model import Model
from alseg_core.vocabulary import IntArray

Amount = Literal["all", "none"] | Annotated[int, Field(ge=1, le=MOST_SLICES)]
"""How many slices of the validation volumes are labelled: all, none, or a number drawn at random."""


def chosen_slices(amount: Amount, table: SliceTable, seed: int) -> IntArray:
    """Return the positions (n,) in ``table``, that of the validation volumes, of the slices whose masks are read.

    A number is spread over the volumes: none gets two slices more than another that has any left. Which slices, and
    which volumes get one more, is drawn from the stream "validation" of the root seed. Raises ConfigError when there
    are fewer slices.
    """
    if amount == "all":
        return np.arange(len(table), dtype=np.int64)
    count = 0 if amount == "none" else amount
    if count > len(table):
        raise ConfigError(
            f"validation: {count} slices were asked for, the validation volumes have {len(table)}; lower it or use all."
        )
    rng = seeding.stream(seed, "validation")
    order, place = rng.permutation(len(table)), rng.permutation(len(table.cases))
    owner = table.volume[order]
    turn = np.zeros(len(table), dtype=np.int64)  # how many slices of its volume come before a slice
    for volume in range(len(table.cases)):
        turn[owner == volume] = np.arange((owner == volume).sum())
    return np.sort(order[np.lexsort((place[owner], turn))][:count])


def names(amount: Amount, table: SliceTable, positions: IntArray) -> tuple[str | tuple[str, int], ...]:
    """Return what identifies the labels in keys of trainings: the cases if all, otherwise (case, z) of each slice."""
    return table.cases if amount == "all" else tuple(table.locate(int(position)) for position in positions)


@dataclass(frozen=True, eq=False)
class Validation:
    """Mean Dice of a network on validation labels, on the network's grid.

    With the masks of whole volumes it is the mean over a volume's classes, then over volumes; with those of some slices
    it is that of all these slices together, as if they were one volume, because a single slice lacks some classes.
    """

    images: Tensor
    """Slices of all volumes, (N, C, H, W) float32."""
    depths: tuple[int, ...]
    """Slices of each volume."""
    masks: Tensor
    """Labels of all slices, (N, H, W) uint8, or of ``scored``."""
    classes: int
    """Number of classes, background included."""
    scored: Tensor | None = None
    """Rows (n,) of ``images`` that have a mask; None = all."""

    @classmethod
    def load(
        cls,
        prepared: Prepared,
        cases: Sequence[str],
        vault: Vault,
        classes: int,
        device: str,
        cost_each: float,
        chosen: IntArray | None = None,
        volumetric: bool = False,
    ) -> Validation:
        """Load validation volumes onto the device, or into pinned memory if they do not fit.

        Masks are billed in the ledger at ``cost_each`` per slice. chosen: positions of the slices to read and score,
        None for all; images of the other slices are loaded for ``volumetric`` networks alone, which take whole volumes.
        """
        slices = prepared.slices(cases)
        table, scored = slices.table, None
        needed = marked = np.arange(len(table), dtype=np.int64)
        if chosen is not None:
            marked = chosen
            needed = np.flatnonzero(np.isin(table.volume, table.volume[chosen])) if volumetric else chosen
            scored = torch.from_numpy(np.searchsorted(needed, chosen))
        masks = vault.masks(slices.rows[marked], "validation", "validation masks", cost_each)
        images, truth = placed([torch.from_numpy(slices.images(needed)), torch.from_numpy(masks)], device)
        depths = np.unique(table.volume[needed], return_counts=True)[1]
        return cls(images, tuple(depths.tolist()), truth, classes, scored)

    def __call__(self, network: Model) -> float:
        """Return the mean Dice, 0..1, of a network in evaluation mode; 0 if nothing scored has foreground."""
        if self.scored is not None:
            labels = torch.cat(list(label_chunks(network, self.images, self.depths)))[self.scored]
            counts = overlaps(labels, self.masks.to(labels.device), self.classes).sum(dim=0)
            return mean_defined(dice(counts.cpu().numpy())) or 0.0
        parts, start = [], 0
        for labels in label_chunks(network, self.images, self.depths):
            truth = self.masks[start : start + len(labels)].to(labels.device, non_blocking=True)
            parts.append(overlaps(labels, truth, self.classes))
            start += len(labels)
        slices = torch.cat(parts).cpu().numpy()  # the only time the host waits for the device
        volumes = np.add.reduceat(slices, np.cumsum((0, *self.depths[:-1])), axis=0)
        return mean_defined(mean_defined(dice(volume)) for volume in volumes) or 0.0
