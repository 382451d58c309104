"""Smallest margin of the ensemble."""

from __future__ import annotations

from typing import ClassVar

from alseg_core.metrics.uncertainty import Measure
from alseg_core.registry import component
from alseg_core.strategies.scores import ScoreStrategy


@component
class Margin(ScoreStrategy):
    """Slices with the smallest gap between the two most probable classes of the members' mean prediction."""

    paper: ClassVar[str] = "Scheffer et al., IDA 2001; Settles 2009"
    measure: ClassVar[Measure] = "margin"
