"""The recipe file that a tuning writes."""

from __future__ import annotations

import copy
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from alseg_core.atomic import write_atomic
from alseg_core.errors import ResultsError
from bench.study import experiments, find, overlay
from bench.tuning.places import get
from bench.tuning.spec import Tuning


def name_of(tuning: Tuning, dataset: str) -> str:
    """Return the name of the tuned recipe."""
    return f"{tuning.name}_tuned_{dataset}"


def content(
    tuning: Tuning, dataset: str, raw: Mapping[str, Any], settings: Mapping[str, Any], gained: str
) -> dict[str, Any]:
    """Return the recipe with tuned settings under ``tuned`` and ``train``, which take precedence over every preset.

    raw: the run without tuning; a recipe tuned to its own settings stays as it is. gained: for the summary.
    """
    recipe = find("recipe", tuning.recipe)
    changed: dict[str, Any] = {}
    if any(value != get(raw, path) for path, value in settings.items()):
        for path, value in settings.items():
            layer: Any = difference(value, get(raw, path))
            if layer == {}:
                continue
            for part in reversed(path.split(".")):
                layer = {part: layer}
            changed = overlay(changed, layer)
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
    """Return the value, or the entries of a mapping that differ from the recipe's own."""
    if not isinstance(value, Mapping) or not isinstance(own, Mapping):
        return value
    return {key: difference(inner, own.get(key)) for key, inner in value.items() if inner != own.get(key)}


def write(recipe: Mapping[str, Any], story: str, wanted: Path | None, out: Path) -> Path:
    """Write the recipe into ``wanted``, or into the program's folder of recipes, or into ``out`` if that is read-only.

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
        except (OSError, ResultsError):
            if folder is folders[-1]:
                raise
        else:
            return path
    raise AssertionError("unreachable: the last folder returns or raises")
