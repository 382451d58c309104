"""The YAML file of a recipe."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from alseg_core.registry import Name, component


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
    tuned: dict[str, Any] = Field(default_factory=dict)
    """Settings under strategy and embed that a tuning found; they take precedence over the preset's and the study's."""
