"""Short forms that a study file may use, and the validators that expand them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from alseg_core.errors import shown
from alseg_core.quantities import Seed
from alseg_core.vocabulary import reads_ground_truth
from alseg_core.yaml_reader import read_yaml
from bench.study.catalogue import catalogue

MOST_SEEDS = 10_000
"""Most seeds of a study."""
WHOLE = re.compile(r"0|[1-9]\d*")


def _listed(value: Any) -> Any:
    """Split a string at blanks and commas, and make a list of a single mapping."""
    if isinstance(value, str):
        return value.replace(",", " ").split()
    return [value] if isinstance(value, Mapping) else value


def _recipes(value: Any) -> Any:
    """Replace ``all`` by every recipe of the catalogue that needs no extra, those that read ground truth last."""
    listed = _listed(value)
    if not isinstance(listed, (list, tuple)) or "all" not in listed:
        return listed
    plain = [name for name, path in catalogue("recipe").items() if "extra" not in read_yaml(path)]
    known = sorted(plain, key=reads_ground_truth)
    at = list(listed).index("all")
    return [*listed[:at], *known, *listed[at + 1 :]]


def with_written(value: Any, written: Any) -> Any:
    """Return recipes that have not been checked yet, with the mappings of ``written`` in the place of their names."""
    listed, known = _recipes(value), _listed(written)
    if not isinstance(listed, (list, tuple)) or not isinstance(known, (list, tuple)):
        return value
    own = {str(item.get("name")): item for item in known if isinstance(item, Mapping)}
    return [own.get(item, item) if isinstance(item, str) else item for item in listed]


def _annotations(value: Any) -> Any:
    listed = _listed(value)
    if not isinstance(listed, (list, tuple)):
        return listed
    return [{"name": item} if isinstance(item, str) else item for item in listed]


def annotation_names(value: Any) -> list[str]:
    """Return the names of the kinds in :data:`Annotations` that has not been checked yet."""
    listed = _annotations(value)
    items = listed if isinstance(listed, (list, tuple)) else []
    return [item["name"] for item in items if isinstance(item, Mapping) and isinstance(item.get("name"), str)]


def _seeds(value: Any) -> Any:
    """Replace a number n by the seeds 0..n-1, and read the numbers of a string such as "0 3 7"."""
    if value is None or isinstance(value, (bool, float, Mapping)):
        raise ValueError(f"a number of seeds or a list of seeds was wanted, got {shown(value)}")
    count = value if isinstance(value, int) else len(value) if isinstance(value, list) else 0
    if count > MOST_SEEDS:
        raise ValueError(f"a study has at most {MOST_SEEDS} seeds, got {shown(count)}")
    if isinstance(value, int):
        if value < 1:
            raise ValueError(f"a number of seeds of at least 1 was wanted, got {value}")
        return list(range(value))
    words = _listed(value)
    several = isinstance(value, str) and len(words) > 1  # a single number in quotes may mean either
    return [int(word) if WHOLE.fullmatch(word) else word for word in words] if several else words


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("at least one is needed")
    repeated = [value for i, value in enumerate(values) if value in values[:i]]
    if repeated:
        raise ValueError(f"{shown(repeated[0])} is listed twice")
    return values


def _folder(value: Any) -> Any:
    """Take a folder named 2024 for what it is; YAML reads a number. An empty name would be the current folder."""
    if isinstance(value, Mapping):
        return {key: _folder(folder) for key, folder in value.items()}
    if isinstance(value, str) and (not value.strip() or "\0" in value):
        raise ValueError(f"the path of a folder was wanted, got {shown(value)}")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _annotation(value: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(value.get("name"), str):
        raise ValueError(f"the name of a kind or a mapping with 'name' was wanted, got {shown(value)}")
    return value


def _recipe(value: Any) -> Any:
    if not isinstance(value, (str, dict)):
        raise ValueError(f"the name of a recipe, or a recipe as a mapping, was wanted, got {shown(value)}")
    return value


AnyNames = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""Names as in :data:`Names`, or none."""

Names = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_distinct)]
"""Names in a list, or in one string separated by blanks or commas."""

Recipes = Annotated[
    tuple[Annotated[Any, AfterValidator(_recipe)], ...], BeforeValidator(_recipes), AfterValidator(_distinct)
]
"""Names of recipes, or recipes as mappings; ``all`` stands for the whole catalogue but recipes that need an extra."""

Annotations = Annotated[
    tuple[Annotated[dict[str, Any], AfterValidator(_annotation)], ...],
    BeforeValidator(_annotations),
    AfterValidator(_distinct),
]
"""Kinds of annotation, by name or as ``{"name": ..., <field>: <value>}``."""

Seeds = Annotated[tuple[Seed, ...], BeforeValidator(_seeds), AfterValidator(_distinct)]
"""A list of seeds, or their number."""

Folder = Annotated[str | None, BeforeValidator(_folder)]
"""One folder."""

Folders = Annotated[str | dict[str, str] | None, BeforeValidator(_folder)]
"""One folder, or dataset -> folder."""

Settings = dict[str, dict[str, Any]]
"""Name -> settings."""
