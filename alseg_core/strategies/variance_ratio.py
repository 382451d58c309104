"""Variance ratio of the ensemble's votes."""

from __future__ import annotations

from typing import ClassVar

from alseg_core.metrics.uncertainty import Measure
from alseg_core.registry import component
from alseg_core.strategies.scores import ScoreStrategy


@component
class VarianceRatio(ScoreStrategy):
    """Slices on whose pixels the most members vote against the most common class.

    With a single network the votes come from dropout passes.
    """

    paper: ClassVar[str] = "Freeman 1965; ensembles: Beluch et al., CVPR 2018"
    measure: ClassVar[Measure] = "variance_ratio"
