"""The command that compares a tuned recipe with the recipe as it is, on test volumes."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.study import experiments, find
from bench.study.typeable import has_make
from bench.tuning.spec import Tuning

PLAIN = re.compile(r"[\w.,:=/+@~-]+")
"""Values that a shell takes as they are, also in a variable of make that lists several."""
PRESETS = ("quick", "paper")
"""Studies that make bench knows as PRESET."""


def command(tuning: Tuning, recipe: Path, out: Path) -> str:
    """Return the command, as it can be typed in the current directory; what it would do anyway is left out.

    recipe: file of the tuned recipe. out: folder of all results.
    """
    named = recipe.parent.absolute() == (experiments() / "recipes").absolute()
    tuned = recipe.stem if named else _from_here(recipe)
    pair, against = [tuning.recipe, tuned], f"primary.against={tuning.recipe}"
    name = f"name={Path(tuning.study).stem}-{recipe.stem}"  # a folder of its own: the study's has other recipes
    alone = ["controls=null"] if find("study", tuning.study).get("controls") else []  # they are recipes of the study
    settings = [name, *_flat(tuning.settings), *alone, against]
    place = "" if out.absolute() == Path.cwd() / "runs" else _from_here(out)
    study = None if tuning.study == "quick" else tuning.study
    by_name = study if study not in PRESETS else None
    values = [*pair, *settings, tuning.dataset, str(tuning.data or ""), tuning.study, place]
    if has_make() and all(PLAIN.fullmatch(value) for value in values if value):
        given = {
            "DATASET": tuning.dataset if by_name or tuning.dataset != "phantom" else None,  # a study has its own
            "DATA": tuning.data,
            "STUDY" if by_name else "PRESET": study,
            "OUT": place,
        }
        words = [f"{name}={value}" for name, value in given.items() if value]
        return " ".join(["make bench", *words, f'RECIPES="{" ".join(pair)}"', f'SET="{" ".join(settings)}"'])
    recipes = f"recipes={json.dumps(pair, ensure_ascii=False)}"
    data = [f"data={tuning.data}"] if tuning.data else []
    whole = [f"datasets={json.dumps([tuning.dataset])}", *data, recipes, *settings]
    words = [word for each in whole for word in ("--set", each)] + (["--out", place] if place else [])
    return shlex.join(["alseg", "bench", tuning.study, *words])


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return nested settings as ``a.b=value``, lists as YAML without blanks."""
    found = []
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            found += _flat(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
            found.append(f"{prefix}{key}={text}")
    return found


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
