"""Least confidence of the ensemble."""

from __future__ import annotations

from typing import ClassVar

from alseg_core.metrics.uncertainty import Measure
from alseg_core.registry import component
from alseg_core.strategies.scores import ScoreStrategy


@component
class LeastConfidence(ScoreStrategy):
    """Slices whose most probable class has the lowest probability in the members' mean prediction."""

    paper: ClassVar[str] = "Lewis & Gale, SIGIR 1994; Settles 2009"
    measure: ClassVar[Measure] = "least_confidence"
