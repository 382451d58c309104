"""Evenly spaced slices of every volume, as a careful annotator picks them without a model."""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from alseg_core.quantities import LARGEST_SIDE
from alseg_core.registry import OMIT_DEFAULT, component
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import IntArray, Selection


def volume_by_volume(view: View, budget: int, each: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Give volumes ``each`` slices, one volume after another in random order; a volume that lacks some is filled first.

    Where all have their share, they get it once more. Returns the number and the share of every volume that gets any.
    """
    table = view.table
    volumes = len(table.cases)
    free = np.bincount(table.volume[view.unlabelled], minlength=volumes)
    filled = np.bincount(table.volume[view.labelled], minlength=volumes)
    shares: dict[int, int] = {}
    turn = rng.permutation(volumes)
    while budget:
        open_ = turn[free[turn] > 0]
        begun = filled[open_] % each > 0
        volume = int(open_[np.lexsort((filled[open_] // each, ~begun))[0]])
        share = int(min(each - filled[volume] % each, free[volume], budget))
        shares[volume] = shares.get(volume, 0) + share
        free[volume], filled[volume], budget = free[volume] - share, filled[volume] + share, budget - share
    return list(shares.items())


def share_out(view: View, budget: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Divide the budget over the volumes, those with the fewest annotated slices first, ties at random.

    Returns the number and the share of every volume that gets any, in random order.
    """
    table = view.table
    volumes = len(table.cases)
    free = np.bincount(table.volume[view.unlabelled], minlength=volumes)
    filled = np.bincount(table.volume[view.labelled], minlength=volumes)
    quota = np.zeros(volumes, dtype=np.int64)
    turn = rng.permutation(volumes)
    for _ in range(budget):
        open_ = turn[free[turn] > quota[turn]]
        quota[open_[np.argmin((filled + quota)[open_])]] += 1
    return [(int(v), int(quota[v])) for v in turn if quota[v]]


@component
class Strided(Strategy):
    """Evenly spaced slices, divided over the volumes with the fewest annotated slices first, or volume by volume.

    The first k slices of a volume are those at the relative positions (j + u) / k, j = 0..k-1, u ~ U(0, 1). Later ones
    go one by one into the largest gap between annotated slices of the volume, and those in the same gap lie evenly
    spaced. The gaps before the first and after the last annotated slice count twice their length, since only one
    annotated slice is near.
    """

    format: ClassVar[int] = 2
    paper: ClassVar[str] = "reference every comparison needs"

    per_volume: Annotated[int, Field(ge=1, le=LARGEST_SIDE)] | None = dataclasses.field(
        default=None, metadata=OMIT_DEFAULT
    )
    """Slices that a volume gets before another one is begun, in random order; null = as few as possible."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        each = self.per_volume
        shares = share_out(view, budget, rng) if each is None else volume_by_volume(view, budget, each, rng)
        picks = []
        for volume, share in shares:
            slices = view.table.of_volume(volume)
            annotated = np.flatnonzero(np.isin(slices, view.labelled))
            if len(annotated):
                z = _between(annotated, share, len(slices), rng)
            else:
                z = np.floor((np.arange(share) + rng.random()) / share * len(slices)).astype(np.int64)
            picks.append(slices[z])
        return Selection(np.concatenate(picks))


def _between(annotated: IntArray, count: int, depth: int, rng: np.random.Generator) -> IntArray:
    """Return ``count`` slices z of a volume of ``depth`` in the largest gaps between the ``annotated`` ones, ascending.

    Gaps and places of the same size are taken in random order.
    """
    # a mirror at each border: the image of the first annotated slice is as far before slice 0 as it is behind it
    ends = np.array([-1 - annotated[0], *annotated, 2 * depth - 1 - annotated[-1]])
    width = np.diff(ends)
    at_border = np.isin(np.arange(len(width)), (0, len(width) - 1))
    free = np.where(at_border, (width - 1) // 2, width - 1)
    both = np.where(at_border, 2, 1)  # a slice of a border gap and its image
    new = np.zeros(len(width), dtype=np.int64)
    turn = rng.permutation(len(width))
    for _ in range(count):
        left = np.where(new < free, width / (both * new + 1), 0)
        new[turn[np.argmax(left[turn])]] += 1
    places = np.concatenate(
        [low + w * np.arange(1, n + 1) / (n + 1) for low, w, n in zip(ends, width, both * new, strict=False)]
    )
    places = places[(places > -0.5) & (places < depth - 0.5)]
    rounded = np.floor(places + 0.5) if rng.random() < 0.5 else np.ceil(places - 0.5)
    return rounded.astype(np.int64)
