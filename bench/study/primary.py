"""The comparison that a study is made for."""

from __future__ import annotations

from typing import Literal

from alseg_core.errors import ConfigError, unknown_name
from alseg_core.registry import component
from alseg_core.vocabulary import BASELINE, reads_ground_truth


@component
class Primary:
    """Primary comparison: every other recipe against one, by one score; its tests are the planned ones of a report."""

    against: str = BASELINE
    """Name of the recipe that all others are compared with; one that reads no ground truth."""
    metric: Literal["aubc", "last_dice"] = "aubc"
    """Score: "aubc", the area under the curve of Dice over labelled slices, or "last_dice", Dice at the last budget."""


def resolve(declared: Primary | None, recipes: list[str]) -> Primary | None:
    """Return the primary comparison of a study of ``recipes``: by default AUBC against random, None without random.

    Raises ConfigError when the recipe it names is not in the study or reads ground truth.
    """
    if declared is None:
        return Primary() if BASELINE in recipes else None
    if declared.against not in recipes:
        raise ConfigError(unknown_name("recipe of the study in primary.against", declared.against, recipes))
    if reads_ground_truth(declared.against):
        raise ConfigError(
            f"primary.against must be a recipe that reads no ground truth, got {declared.against!r}; recipes that read "
            f"it are shown beside the family of planned tests. Try {BASELINE!r}."
        )
    return declared
