"""Whole volumes: the 3D reference that slice-wise selection is measured against."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from alseg_core.registry import component
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection


@component
class WholeVolumes(Strategy):
    """All slices of random volumes, one volume after another; a partly annotated volume is finished first.

    Slices of a volume are taken by z. If the budget ends within a volume, the next round continues there.
    """

    paper: ClassVar[str] = "3D reference of Vepa et al., NeurIPS 2024, Fig. 2"

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        table = view.table
        begun = np.isin(np.arange(len(table.cases)), table.volume[view.labelled])
        turn = np.empty(len(table.cases), dtype=np.int64)
        turn[rng.permutation(len(table.cases))] = np.arange(len(table.cases))
        volume = table.volume[view.unlabelled]
        order = np.lexsort((np.arange(len(volume)), turn[volume], ~begun[volume]))[:budget]
        return Selection(view.unlabelled[order])
