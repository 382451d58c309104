"""Predictive entropy of the ensemble."""

from __future__ import annotations

from typing import ClassVar

from alseg_core.metrics.uncertainty import Measure
from alseg_core.registry import component
from alseg_core.strategies.scores import ScoreStrategy


@component
class Entropy(ScoreStrategy):
    """Slices with the highest entropy of the members' mean prediction."""

    paper: ClassVar[str] = "Shannon 1948; Settles 2009; sampling: Kirsch et al. 2022"
    measure: ClassVar[Measure] = "entropy"
