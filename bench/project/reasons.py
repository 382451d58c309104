"""Why a slice was chosen, in a few words for annotators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alseg_core.config import RunConfig

FIRST = "drawn at random: there is no network yet"
WHY = {
    "random": "drawn at random",
    "random_volumes": "drawn at random from chosen scans",
    "stratified": "drawn at random, evenly over patients",
    "strided": "evenly spaced",
    "whole_volumes": "part of a chosen scan",
    "coreset": "unlike all slices annotated or chosen before it",
    "typiclust": "typical of a group of slices without annotation",
    "prob_cover": "many slices are like it, and none of them is annotated",
    "alps": "typical of a group of slices without annotation",
    "entropy": "the network is unsure about its pixels",
    "margin": "the network hesitates between two classes",
    "least_confidence": "the network is unsure about its pixels",
    "bald": "networks disagree about its pixels",
    "variance_ratio": "networks disagree about its pixels",
    "badge": "the network is unsure, and it is unlike the others chosen",
    "clasp_pe": "the network is unsure about its pixels",
    "stochastic_batches": "the network is unsure about its pixels",
    "pixel_fusion": "the network is unsure, and it is unlike the others chosen",
    "uncertain_coreset": "the network is unsure, and it is unlike the others chosen",
}
"""Strategy -> reason."""


def reason(config: RunConfig, number: int) -> str:
    """Return why round ``number`` chose its slices."""
    strategy: Any = config.recipe.strategy
    if number == 0 and config.starts_at_random and config.recipe.needs_model:
        return FIRST
    return WHY.get(str(getattr(type(strategy), "name", "")), f"chosen by {config.recipe.name}")
