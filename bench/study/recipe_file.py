"""A recipe: a YAML file, or a mapping in a study, which may build on another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from alseg_core.errors import ConfigError, shown, unknown_name
from alseg_core.registry import Name, component, construct
from bench.study.catalogue import find
from bench.study.settings import overlay

MOST_STEPS = 10
"""Longest chain of recipes that build on one another."""
TUNED = ("strategy", "embed")
"""Parts of a recipe that ``tuned`` has settings for."""


@component
class RecipeFields:
    """Keys of a recipe file."""

    name: Name
    """Name in results, tables and run folders; oracle_... for a strategy that reads ground truth, and only then."""
    summary: str = ""
    """The recipe on one line, for lists."""
    paper: str = ""
    """What to cite for the method."""
    like: str | None = None
    """Recipe that this one is like, by name or file; the keys given here are laid over its own."""
    strategy: str | dict[str, Any]
    """Query strategy by name, as module:Class, or as a mapping with its fields."""
    embed: str | dict[str, Any] | None = None
    """Embedding that the strategy measures distances in, for the strategies that need one."""
    annotation: str | dict[str, Any] | None = None
    """Kind of annotation that the recipe always runs with; null = the study's."""
    train: dict[str, Any] = Field(default_factory=dict)
    """Settings of the training that take precedence over the preset's and the study's."""
    extra: str | None = None
    """Extra of the package that the recipe needs, such as vision; ``all`` leaves such recipes out."""
    tuned: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings under strategy and embed that a tuning found; they take precedence over the preset's and the study's."""

    def __post_init__(self) -> None:
        if isinstance(self.annotation, dict) and not isinstance(self.annotation.get("name"), str):
            raise ConfigError(f"recipe {self.name!r}: annotation must be a name or a mapping with 'name'.")
        for part in self.tuned:
            if part not in TUNED:
                raise ConfigError(f"recipe {self.name!r}, tuned: {unknown_name('field', part, TUNED)}")
            if getattr(self, part) is None:
                raise ConfigError(f"recipe {self.name!r}: tuned.{part} is set, and the recipe has no {part}.")


def find_recipe(recipe: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe of the catalogue, of the YAML file at that path, or one given as a mapping.

    What it is ``like`` is filled in. Raises ConfigError when there is no such recipe, or naming every wrong field.
    """
    content = _whole(recipe, MOST_STEPS)
    construct(RecipeFields, content, f"recipe {str(content.get('name') or recipe)!r}")
    return content


def _whole(recipe: str | Mapping[str, Any], steps: int) -> dict[str, Any]:
    """Return the content of a recipe, laid over that of the recipe that it is like."""
    content = dict(recipe) if isinstance(recipe, Mapping) else find("recipe", recipe)
    like = content.pop("like", None)
    if like is None:
        return content
    if not isinstance(like, str) or not isinstance(content.get("name"), str):
        raise ConfigError(
            f"recipe {shown(content.get('name'))}: a recipe that is like another has a name of its own, and names the "
            f"other, got like: {shown(like)}."
        )
    if not steps:
        raise ConfigError(f"recipe {content['name']!r} is like {like!r}, and so on, in a circle.")
    base = {key: value for key, value in _whole(like, steps - 1).items() if key != "name"}
    merged: dict[str, Any] = overlay(base, {key: value for key, value in content.items() if key != "name"})
    return {"name": content["name"], **merged}
