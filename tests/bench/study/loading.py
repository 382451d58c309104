"""Studies, recipes, datasets, runs and tunings with one thing changed, and the check that they are refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from alseg_core.config import RunConfig
from alseg_core.errors import AlsegError
from alseg_core.visible import visible_lines
from alseg_core.yaml_reader import read_yaml
from bench.study import Study, catalogue
from bench.tuning.spec import Tuning
from tests.conftest import TINY

BIG = 99999999999999999999


def put(content: Any, place: str, value: Any) -> Any:
    """A copy of ``content`` with a value in the place that dots lead to."""
    changed = copy.deepcopy(content)
    *parents, last = place.split(".")
    at = changed
    for parent in parents:
        at = at.setdefault(parent, {})
    at[last] = value
    return changed


def load_study(*settings: str) -> None:
    Study.load({"name": "q", "datasets": ["phantom"], "recipes": ["random"]}, settings).runs()


def load_recipe(folder: Path, change: dict[str, Any]) -> None:
    path = folder / "r.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "strategy": "random", **change}))
    load_study(f"recipes={path}")


def load_dataset(folder: Path, place: str, value: Any) -> None:
    path = folder / "d.yaml"
    path.write_text(yaml.safe_dump(put(read_yaml(catalogue("dataset")["phantom"]), place, value)))
    load_study(f"datasets={path}")


def load_run(place: str, value: Any) -> None:
    RunConfig.load(put(TINY, place, value))


TUNED = {
    "name": "small",
    "recipe": "gcl_coreset",
    "space": {"embed.lr": {"kind": "float", "low": 1.0e-5, "high": 1.0e-2, "log": True}},
}


def load_tuning(folder: Path, place: str, value: Any) -> None:
    path = folder / "t.yaml"
    path.write_text(yaml.safe_dump(put(TUNED, place, value)))
    load_tuned(read_yaml(path))


def load_tuned(content: dict[str, Any]) -> None:
    tuning = Tuning.load(content)
    tuning.check(tuning.run())


def refused(load: Callable[..., object], *given: Any, message: str) -> None:
    """Check that loading raises one error with ``message`` that can be shown: short, and without control characters."""
    with pytest.raises(AlsegError) as caught:
        load(*given)
    said = str(caught.value)
    assert message in said
    assert len(said) < 3000 and said == visible_lines(said)
