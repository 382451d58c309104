"""The examples of experiments/README.md load as they stand, and its tables name every field."""

from __future__ import annotations

import dataclasses
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from alseg_core.strategies.conformance import CHECKS
from bench.study import Study, find
from bench.study.dataset_file import DatasetFields
from bench.study.recipe_file import RecipeFields
from bench.tuning.spec import Tuning
from tests.conftest import network_trainer
from tests.readme_blocks import write_blocks

PAGE = Path(__file__).parents[3] / "experiments" / "README.md"


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with the files of the page, which is also the current one."""
    write_blocks(PAGE, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_study(examples: Path) -> None:
    runs = Study.find(str(examples / "study.yaml")).runs()
    assert len(runs) == 36
    assert {network_trainer(run).batch for run in runs if run.annotation_name == "scribble"} == {4}


def test_dataset(examples: Path) -> None:
    raw = {"name": "s", "datasets": ["scans.yaml"], "recipes": ["random"], "annotations": "mask", "data": str(examples)}
    for settings, balance in (([], 1.0), (["train.mask.loss.balance=0.5"], 0.5)):
        (run,) = Study.load(raw, settings).runs()
        assert network_trainer(run).loss.balance == balance  # type: ignore[attr-defined]
        assert network_trainer(run).iterations_full == 4600
    (run,) = Study.load({**raw, "preset": "paper"}).runs()
    assert run.evaluate.nsd_tolerance_mm == 1.0
    assert run.dataset.prepare.size == 256


def test_the_dataset_trains_as_the_template_does(examples: Path) -> None:
    ours, template = (find("dataset", name)["presets"]["quick"] for name in ("scans.yaml", "nifti_folder"))
    for part in ("budgets", "train", "components"):
        assert ours[part] == template[part], part


def test_recipes_and_a_part_of_ones_own(examples: Path) -> None:
    raw = {"name": "s", "datasets": ["phantom"], "recipes": ["densest.yaml", "stride.yaml"]}
    densest, stride = Study.load(raw).runs()
    assert densest.recipe.strategy.start == "densest"  # type: ignore[attr-defined]
    assert stride.recipe.strategy.step == 5  # type: ignore[attr-defined]
    for check in CHECKS:
        check(stride.recipe.strategy)


def test_tuning(examples: Path) -> None:
    tuning = Tuning.find(str(examples / "tune.yaml"))
    raw = tuning.run()
    assert len(tuning.default(raw)) == len(tuning.space) + 1
    assert raw["annotation"]["name"] == "mask"


def test_settings(examples: Path) -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("alseg bench quick --set")]
    assert len(lines) >= 4
    for line in lines:
        words = shlex.split(line)
        settings = [value for option, value in pairwise(words) if option == "--set"]
        if "data=/scans/prostate" in settings:
            settings.append(f"data={examples}")
        assert Study.find("quick", settings).runs()


@pytest.mark.parametrize(
    ("title", "cls"),
    [("A study", Study), ("A dataset of your own", DatasetFields), ("A recipe", RecipeFields), ("A tuning", Tuning)],
)
def test_tables_name_every_field(title: str, cls: type) -> None:
    section = re.search(rf"^## {title}$(.*?)^## ", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert section is not None
    rows = [line.split("|")[1] for line in section[1].splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {field.name for field in dataclasses.fields(cls)}
