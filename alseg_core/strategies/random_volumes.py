"""Random volumes first, then random slices: few slices of many volumes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from alseg_core.registry import component
from alseg_core.strategies.strided import share_out
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection


@component
class RandomVolumes(Strategy):
    """Random slices of random volumes, those with the fewest annotated slices first."""

    paper: ClassVar[str] = "reference every comparison needs"

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        volume = view.table.volume[view.unlabelled]
        shares = [(view.unlabelled[volume == v], share) for v, share in share_out(view, budget, rng)]
        return Selection(np.concatenate([rng.choice(free, share, replace=False) for free, share in shares]))
