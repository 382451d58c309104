"""Families of methods: what a recipe looks for in a slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alseg_core.strategies import Strategy

FAMILIES = {
    "paper": "The paper and its ablation: k-centre on the contrastive encoder (NeurIPS 2024)",
    "coverage": "Coverage: slices that represent the pool",
    "uncertainty": "Uncertainty: slices on which the networks are unsure",
    "both": "Uncertainty and coverage: unlike slices on which the networks are unsure",
    "reference": "References",
}
"""Family -> its title; what stands before the colon is its name."""


def family(strategy: Strategy, embed: str | None) -> str:
    """Return the family of a recipe by what its strategy is, whatever it is called. embed: name of its embedding."""
    from alseg_core.strategies.coreset import Coreset
    from alseg_core.strategies.predicted_foreground import PredictedForeground

    if strategy.reads_ground_truth or "reference" in strategy.paper or isinstance(strategy, PredictedForeground):
        return "reference"
    if strategy.needs_model:
        return "uncertainty" if strategy.ranks else "both"
    return "paper" if isinstance(strategy, Coreset) and embed == "contrastive" else "coverage"


def short(family: str) -> str:
    """Return the name of a family, such as "Coverage"."""
    return FAMILIES[family].partition(":")[0]
