"""Bayesian active learning by disagreement, with dropout as the posterior."""

from __future__ import annotations

from typing import ClassVar, Literal

from alseg_core.metrics.uncertainty import Measure
from alseg_core.registry import component
from alseg_core.strategies.scores import ScoreStrategy, Source


@component
class Bald(ScoreStrategy):
    """Slices with the highest mutual information of prediction and weights, over dropout passes.

    The score of a pixel is H(mean_t p_t) - mean_t H(p_t) over passes t with active dropout and batch norm in evaluation
    mode.
    """

    paper: ClassVar[str] = "Houlsby et al. 2011; Gal et al., ICML 2017"
    measure: ClassVar[Measure] = "bald"
    source: Source | Literal["auto"] = "dropout"
    """Predictions to score: "dropout"; "tta" (turned and mirrored slices); "auto", which prefers several members;
    "members" is refused."""
