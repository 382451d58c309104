"""The YAML file of a recipe."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from alseg_core.errors import ConfigError, unknown_name
from alseg_core.registry import Name, component, construct
from bench.study.catalogue import find

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
    strategy: str | dict[str, Any]
    """Query strategy by name, as module:Class, or as a mapping with its fields."""
    embed: str | dict[str, Any] | None = None
    """Embedding that the strategy measures distances in, for the strategies that need one."""
    annotation: str | dict[str, Any] | None = None
    """Kind of annotation that the recipe always runs with; null = the study's."""
    train: dict[str, Any] = Field(default_factory=dict)
    """Settings of the training that take precedence over the preset's and the study's."""
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


def find_recipe(name: str) -> dict[str, Any]:
    """Read a recipe of the catalogue, or the YAML file at that path.

    Raises ConfigError when there is neither, or naming every wrong field.
    """
    content = find("recipe", name)
    construct(RecipeFields, content, f"recipe {str(content.get('name') or name)!r}")
    return content
