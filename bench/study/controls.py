"""Recipes whose place against random is known, so that a study with them shows whether it can measure."""

from __future__ import annotations

from collections.abc import Sequence

from alseg_core.errors import ConfigError, unknown_name
from alseg_core.registry import component
from alseg_core.vocabulary import BASELINE
from bench.study.shorthand import AnyNames


@component
class Controls:
    """What is known of some recipes: the study passes if its tests against random in AUBC find all of it."""

    above: AnyNames = ()
    """Recipes that are better than random (positive controls)."""
    below: AnyNames = ()
    """Recipes that are worse than random (negative controls)."""

    @property
    def wanted(self) -> dict[str, str]:
        """Recipe -> "above" or "below"."""
        return {**dict.fromkeys(self.above, "above"), **dict.fromkeys(self.below, "below")}


def check_controls(controls: Controls | None, recipes: Sequence[str]) -> None:
    """Raise ConfigError when controls name nothing, random, no recipe of the study, or one as above and below.

    recipes: names of the study's recipes.
    """
    if controls is None:
        return
    named = [*controls.above, *controls.below]
    if not named:
        raise ConfigError("controls: at least one recipe is needed in above or below; null = no controls.")
    for name in named:
        if name == BASELINE:
            raise ConfigError(f"controls: {BASELINE!r} is what controls are compared with; remove it.")
        if name not in recipes:
            unknown = unknown_name("recipe of the study in controls", name, recipes)
            raise ConfigError(f"{unknown} Add it to recipes, or set controls=null.")
        if named.count(name) > 1:
            raise ConfigError(f"controls: {name!r} is listed twice.")
    if BASELINE not in recipes:
        raise ConfigError(f"controls are compared with {BASELINE!r}, which the study lacks; add it to recipes.")
