"""How a study reads values: names, numbers, switches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alseg_core.config import RunConfig
from bench.study import Study, catalogue
from bench.study.reserved import RESERVED, holds_no_results
from tests.bench.study.loading import load_study, put, refused
from tests.conftest import TINY


@pytest.mark.parametrize("name", [*RESERVED, "tune-a", "storehouse", "my-tune-1", "report.v2", "a" * 100])
def test_names_that_reports_skip_are_reserved_and_no_others(name: str) -> None:
    assert holds_no_results(name) == (name in {*RESERVED, "tune-a"} - {"runs"})
    if name in {*RESERVED, "tune-a"}:
        refused(load_study, f"name={name}", message="uses itself")
    else:
        assert Study.load({"name": name, "datasets": ["phantom"], "recipes": ["random"]}).name == name


@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ("train.scribble.lr=1e-3", "lr", 0.001),
        ("train.scribble.lr=1", "lr", 1.0),
        ("train.scribble.iterations_full=6e4", "iterations_full", 60_000),
        ("train.scribble.network.dropouts=[0, 0.1, 0, 0]", "network.dropouts", [0.0, 0.1, 0.0, 0.0]),
    ],
)
def test_numbers_are_read_as_they_look(setting: str, field: str, value: Any) -> None:
    (run,) = Study.load({"name": "q", "datasets": ["phantom"], "recipes": ["random"]}, [setting]).runs()
    found: Any = run.describe()["train"]
    for part in field.split("."):
        found = found[part]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(("word", "value"), [("on", True), ("No", False), ("true", True)])
def test_switches_understand_words(word: str, value: bool) -> None:
    study = Study.load({"name": "q", "datasets": ["phantom"], "recipes": ["random"]}, [f"keep_network={word}"])
    assert study.keep_network is value


def test_names_of_classes_and_ids_of_patients_stay_as_they_are_written(tmp_path: Path) -> None:
    content = catalogue("dataset")["phantom"].read_text().replace("wall, nodule", "no, 12:30")
    content = content.replace(
        "seed: 0}", "seed: 0}\n  mine: {name: patients, train: [007, 010], val: [1_0], test: [08]}"
    )
    (tmp_path / "d.yaml").write_text(content)
    settings = [f"datasets={tmp_path / 'd.yaml'}", "split=mine"]
    (run,) = Study.load({"name": "q", "datasets": ["phantom"], "recipes": ["random"]}, settings).runs()
    described = run.describe()["dataset"]
    assert described["classes"] == ["background", "cavity", "no", "12:30"]
    assert [described["split"][part] for part in ("train", "val", "test")] == [["007", "010"], ["1_0"], ["08"]]


def test_a_run_whose_folder_has_too_long_a_name_is_refused() -> None:
    names = {"dataset.name": "d" * 100, "recipe.name": "r" * 100, "schedule": "s" * 100}
    run = TINY
    for place, name in names.items():
        run = put(run, place, name)
    refused(RunConfig.load, run, message="shorten the names of dataset, recipe, annotation or schedule")
