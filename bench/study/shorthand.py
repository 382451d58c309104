"""Short forms that a study file may use, and the validators that expand them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from alseg_core.vocabulary import reads_ground_truth
from bench.study.catalogue import catalogue


def _listed(value: Any) -> Any:
    """Split a string at blanks and commas, and make a list of a single mapping."""
    if isinstance(value, str):
        return value.replace(",", " ").split()
    return [value] if isinstance(value, Mapping) else value


def _recipes(value: Any) -> Any:
    """Replace ``all`` by every recipe of the catalogue, those that read ground truth last."""
    known = sorted(catalogue("recipe"), key=reads_ground_truth)
    listed = _listed(value)
    if not isinstance(listed, Sequence) or "all" not in listed:
        return listed
    at = list(listed).index("all")
    return [*listed[:at], *known, *listed[at + 1 :]]


def _annotations(value: Any) -> Any:
    listed = _listed(value)
    if not isinstance(listed, Sequence):
        return listed
    return [{"name": item} if isinstance(item, str) else item for item in listed]


def _seeds(value: Any) -> Any:
    """Replace a number n by the seeds 0..n-1."""
    if isinstance(value, int) and not isinstance(value, bool):
        return list(range(value))
    return _listed(value)


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("at least one is needed")
    repeated = [value for i, value in enumerate(values) if value in values[:i]]
    if repeated:
        raise ValueError(f"{repeated[0]!r} is listed twice")
    return values


def _folder(value: Any) -> Any:
    return str(value) if isinstance(value, (int, float)) else value  # YAML reads a folder named 2024 as a number


AnyNames = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""Names as in :data:`Names`, or none."""

Names = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_distinct)]
"""Names in a list, or in one string separated by blanks or commas."""

Recipes = Annotated[tuple[str, ...], BeforeValidator(_recipes), AfterValidator(_distinct)]
"""Names of recipes; ``all`` stands for the whole catalogue."""

Annotations = Annotated[tuple[dict[str, Any], ...], BeforeValidator(_annotations), AfterValidator(_distinct)]
"""Kinds of annotation, by name or as ``{"name": ..., <field>: <value>}``."""

Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_seeds), AfterValidator(_distinct)]
"""A list of seeds, or their number."""

Folders = Annotated[str | dict[str, str] | None, BeforeValidator(_folder)]
"""One folder, or dataset -> folder."""

Settings = dict[str, dict[str, Any]]
"""Name -> settings."""
