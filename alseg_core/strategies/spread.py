"""Spread: the picks of any strategy, kept apart within volumes and shared over volumes and patients."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainValidator

from alseg_core.data.slices import SliceTable
from alseg_core.quantities import Count
from alseg_core.registry import component
from alseg_core.strategies.entropy import Entropy
from alseg_core.strategies.known import STRATEGIES
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import IntArray, Selection


@component
class Spread(Strategy):
    """The first picks of another strategy that are far enough from annotated slices of their volume and not too many.

    The other strategy's picks are walked in order, and a slice is taken if its volume has no annotated or taken slice
    nearer than ``gap``, and fewer than ``per_volume`` slices of its volume, and ``per_patient`` of its patient, are
    taken in this round. A strategy that ranks the pool is asked for all of it. Any other is asked for the budget, then
    for twice as many and so on, up to the pool, with the same random numbers, until enough slices fit. Such a strategy
    may choose otherwise for a larger budget, and each time takes its time again.

    If too few fit, the gap shrinks by one slice at a time as far as that helps; if no slice is left within the limits
    per volume and patient, the one that stands in the way is raised by one and the gap starts anew. The record holds
    the loosest values used (``signals.spread``).

    A first round that is random for want of a network is not spread.
    """

    paper: ClassVar[str] = "ours: limits on the picks of another strategy"

    of: Annotated[Strategy, PlainValidator(STRATEGIES.build)] = Entropy()
    """The other strategy."""
    gap: Count = 2
    """Least distance in z of a pick to the annotated slices of its volume; 1 allows neighbours."""
    per_volume: Count | None = None
    """Most picks of a volume in a round; null for any number."""
    per_patient: Count | None = None
    """Most picks of a patient in a round; null for any number."""

    @property
    def format(self) -> int:  # type: ignore[override]
        """Format of the other strategy, whose picks these are; a change of this class has to add 1000."""
        return self.of.format

    @property
    def needs_model(self) -> bool:  # type: ignore[override]
        """Whether the other strategy does."""
        return self.of.needs_model

    @property
    def needs_embedding(self) -> bool:  # type: ignore[override]
        """Whether the other strategy does."""
        return self.of.needs_embedding

    @property
    def reads_ground_truth(self) -> bool:  # type: ignore[override]
        """Whether the other strategy does."""
        return self.of.reads_ground_truth

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        everything = len(view.unlabelled)
        asked = everything if self.of.ranks else budget
        while True:
            offer = self.of.select(view, asked, copy.deepcopy(rng))
            walk = _Walk(view.table, view.labelled, offer.positions, self.gap, self.per_volume, self.per_patient)
            rows = walk.take(budget)
            if len(rows) == budget or asked == everything:
                break
            asked = min(2 * asked, everything)
        while len(rows) < budget:
            walk.relax()
            rows = walk.take(budget)
        scores = None if offer.scores is None else offer.scores[rows]
        relaxed = {"spread": walk.loosest} if walk.loosest else {}
        return Selection(offer.positions[rows], scores, {**offer.facts, **relaxed})

    def check_pool(self, table: SliceTable) -> None:
        """See :class:`Strategy`."""
        self.of.check_pool(table)

    def passes_per_slice(self, members: int) -> int:
        """See :class:`Strategy`."""
        return self.of.passes_per_slice(members)

    def needs_dropout(self, members: int) -> bool:
        """See :class:`Strategy`."""
        return self.of.needs_dropout(members)

    def needs_network(self, members: int) -> bool:
        """See :class:`Strategy`."""
        return self.of.needs_network(members)


@dataclass(eq=False)
class _Walk:
    """A walk down an order of slices under limits, which can be relaxed."""

    table: SliceTable
    labelled: IntArray
    order: IntArray
    """(n,) positions in the order of the other strategy."""
    gap: int
    per_volume: int | None
    per_patient: int | None
    loosest: dict[str, int] = field(default_factory=dict, init=False)
    """Limits that were relaxed, and how far."""

    def __post_init__(self) -> None:
        self._strict = self.gap
        self._rows: list[int] = []
        self._volume, self._patient = self.table.volume[self.order], self.table.patient[self.order]
        self._z = self.table.z[self.order]
        by_volume = np.argsort(self._volume, kind="stable")
        first = np.searchsorted(self._volume[by_volume], np.arange(len(self.table.cases) + 1))
        self._of_volume = [by_volume[a:b] for a, b in pairwise(first)]
        self._free = np.ones(len(self.order), dtype=bool)
        self._distance = np.full(len(self.order), np.inf)
        self._in_volume = np.zeros(len(self.table.cases), dtype=np.int64)
        self._in_patient = np.zeros(len(self.table.cases), dtype=np.int64)
        for position in self.labelled:
            self._keep_off(int(self.table.volume[position]), int(self.table.z[position]))

    def take(self, count: int) -> IntArray:
        """Take slices in order until there are ``count`` or none fits; return the rows of all taken so far."""
        fits = self._free & self._within_volume & self._within_patient & (self._distance >= self.gap)
        while len(self._rows) < count and fits.any():
            row = int(np.argmax(fits))
            volume, patient = int(self._volume[row]), int(self._patient[row])
            self._rows.append(row)
            self._free[row] = fits[row] = False
            self._in_volume[volume] += 1
            self._in_patient[patient] += 1
            self._keep_off(volume, int(self._z[row]))
            near = self._of_volume[volume]
            fits[near] &= self._distance[near] >= self.gap
            if self.per_volume is not None and self._in_volume[volume] >= self.per_volume:
                fits[near] = False
            if self.per_patient is not None and self._in_patient[patient] >= self.per_patient:
                fits &= self._patient != patient
        return np.array(self._rows, dtype=np.int64)

    def relax(self) -> None:
        """Relax the limit that keeps slices out, none of which fits."""
        volume, patient = self._free & self._within_volume, self._free & self._within_patient
        if (volume & patient).any():  # the gap alone keeps these out
            self.gap -= 1
            self.loosest["gap"] = min(self.gap, self.loosest.get("gap", self.gap))
            return
        self.gap = self._strict
        if self.per_volume is not None and (patient.any() or not volume.any()):
            self.per_volume += 1
            self.loosest["per_volume"] = self.per_volume
        if self.per_patient is not None and not patient.any():
            self.per_patient += 1
            self.loosest["per_patient"] = self.per_patient

    @property
    def _within_volume(self) -> NDArray[np.bool_]:
        if self.per_volume is None:
            return np.ones(len(self.order), dtype=bool)
        return self._in_volume[self._volume] < self.per_volume

    @property
    def _within_patient(self) -> NDArray[np.bool_]:
        if self.per_patient is None:
            return np.ones(len(self.order), dtype=bool)
        return self._in_patient[self._patient] < self.per_patient

    def _keep_off(self, volume: int, z: int) -> None:
        near = self._of_volume[volume]
        self._distance[near] = np.minimum(self._distance[near], np.abs(self._z[near] - z))
