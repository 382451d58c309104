"""The recipe that a tuning leaves: a file like any other recipe's."""

from __future__ import annotations

import copy
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from alseg_core.results import write_atomic
from bench.study import experiments, find, overlay
from bench.tuning.spec import Tuning, get


def name_of(tuning: Tuning, dataset: str) -> str:
    """Name of the tuned recipe."""
    return f"{tuning.name}_tuned_{dataset}"


def content(
    tuning: Tuning, dataset: str, raw: Mapping[str, Any], settings: Mapping[str, Any], gained: str
) -> dict[str, Any]:
    """The recipe with the settings laid over it, under ``tuned`` and ``train``, which go before every preset.

    raw: the run without tuning; with its settings alone the recipe stays what it is. gained: for the summary.
    """
    recipe = find("recipe", tuning.recipe)
    changed: dict[str, Any] = {}
    if any(value != get(raw, path) for path, value in settings.items()):
        for path, value in settings.items():
            told: Any = difference(value, get(raw, path))
            if told == {}:
                continue
            for part in reversed(path.split(".")):
                told = {part: told}
            changed = overlay(changed, told)
    train = changed.pop("train", None)
    made: dict[str, Any] = {
        **copy.deepcopy(recipe),
        "name": name_of(tuning, dataset),
        "summary": f"{recipe['name']} with settings tuned on {dataset}, preset {tuning.base().preset}: {gained}",
    }
    made |= {"train": overlay(recipe.get("train") or {}, train)} if train else {}
    made |= {"tuned": changed} if changed else {}
    return made


def difference(value: Any, own: Any) -> Any:
    """The value; of a mapping those entries that differ."""
    if not isinstance(value, Mapping) or not isinstance(own, Mapping):
        return value
    return {key: difference(inner, own.get(key)) for key, inner in value.items() if inner != own.get(key)}


def write(recipe: Mapping[str, Any], story: str, wanted: Path | None, out: Path) -> Path:
    """Write the recipe into ``wanted``, or the program's folder of recipes, or ``out`` where that cannot be written.

    story: comment at the head of the file.
    """
    text = "".join(f"# {line}\n" for line in textwrap.wrap(story, 116))
    text += yaml.safe_dump(dict(recipe), sort_keys=False, default_flow_style=None, width=118)
    folders = [wanted] if wanted is not None else [experiments() / "recipes", out]
    for folder in folders:
        path = folder / f"{recipe['name']}.yaml"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomic(path, text)
        except OSError:
            if folder is folders[-1]:
                raise
        else:
            return path
    raise AssertionError("unreachable: the last folder returns or raises")
