"""A query strategy of one's own to start from: module, recipe and test."""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Collection
from pathlib import Path

from alseg_core.errors import ConfigError, shown
from alseg_core.strategies import STRATEGIES
from alseg_core.vocabulary import reads_ground_truth
from bench.scaffold.commands import bench_command, python
from bench.scaffold.files import check_new, render, write_new
from bench.study import catalogue
from bench.study.reserved import RESERVED

NAME = re.compile(r"[a-z][a-z0-9_]*")
LONGEST = 40
"""Most characters of a name; module and class are named on one line."""
IMPORTED = ("Annotated", "ClassVar", "Field", "Selection", "Strategy", "View")
"""Names that the module of a strategy imports."""


def new_strategy(name: str, folder: Path) -> list[str]:
    """Write NAME.py, NAME.yaml and test_NAME.py into a folder; return lines on what to do next.

    Raises ConfigError: a bad or taken name, or a file that exists.
    """
    module, recipe, test = (folder / file for file in (f"{name}.py", f"{name}.yaml", f"test_{name}.py"))
    cls = _class_name(name)
    check_new(module, recipe, test)
    if importlib.util.find_spec(name) is not None:
        raise ConfigError(f"a strategy cannot be named {name!r}: a Python module has this name; choose another.")
    imports = sorted(["from alseg_core.strategies.conformance import CHECKS, Check", f"from {name} import {cls}"])
    write_new(
        {
            module: render("strategy.py.j2", name=name, cls=cls),
            recipe: render("strategy.yaml.j2", name=name, cls=cls),
            test: render("strategy_test.py.j2", name=name, cls=cls, imports=imports),
        }
    )
    return [
        f"wrote {module.name}, {recipe.name} and {test.name}: a strategy that works, for you to change",
        "next, in this folder:",
        f"  {python()} -m pytest -q {test.name}    # does it keep the rules that all strategies keep?",
        f"  {bench_command(name, recipes=f'random {recipe.name}')}    # against random; first look: --set seeds=1",
    ]


def _class_name(name: str) -> str:
    """Return the name of the class. Raises ConfigError for a name that is bad or taken."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name) or len(name) > LONGEST:
        raise ConfigError(
            "a strategy is named as a Python module: small letters, digits and '_', beginning with a letter, at most "
            f"{LONGEST} characters, no word of the language; such as middle_slices. Got {shown(name)}."
        )
    cls = "".join(part.capitalize() for part in name.split("_"))
    taken: dict[str, Collection[str]] = {
        "a strategy that comes with the program has this name (alseg list strategies)": STRATEGIES,
        "a recipe that comes with the program has this name (alseg list recipes)": catalogue("recipe"),
        "the program uses this name itself": RESERVED,
    }
    why = [reason for reason, names in taken.items() if name in names]
    if reads_ground_truth(name):
        why.append("names that begin with oracle_ are those of references that read ground truth")
    if cls in IMPORTED:
        why.append(f"its class would be {cls}, as one that it imports")
    if why:
        raise ConfigError(f"a strategy cannot be named {name!r}: {why[0]}; choose another.")
    return cls
