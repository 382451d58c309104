"""Training cases with scribbles and without masks: what can be compared on them, and errors before any compute."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from alseg_core import loop
from alseg_core.errors import DataError
from alseg_core.store import Store
from bench.cli import main
from bench.study import Study
from tests.data.conftest import write_volume

__all__ = ["write_volume"]  # fixture

SHAPE = (3, 16, 16)


@pytest.fixture
def study(tmp_path: Path, tiny: dict[str, Any], write_volume: Callable[..., None]) -> dict[str, Any]:
    """A study of p0 and p1, which have scribbles alone; p2 validates and p3 tests, by their masks."""
    root = tmp_path / "scans"
    for part in ("images", "labels", "scribbles"):
        (root / part).mkdir(parents=True)
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, 4:12, 4:12] = 1
    for number in range(4):
        name = f"p{number}.nii.gz"
        write_volume(root / "images" / name, np.random.default_rng(number).random(SHAPE, np.float32))
        write_volume(root / "scribbles" / name, np.where(np.arange(16) == 6, mask, 255).astype(np.uint8))
        if number >= 2:
            write_volume(root / "labels" / name, mask)
    dataset = {
        "name": "scribbled",
        "reader": {"name": "nifti_folder", "labels": [0, 1]},
        "classes": ["background", "object"],
        "presets": {
            "quick": {
                "prepare": {"size": 16},
                "split": {"name": "patients", "train": ["p0", "p1"], "val": ["p2"], "test": ["p3"]},
                "budgets": [2, 3],
                "train": {**tiny["train"], "iterations_full": 4},
            }
        },
    }
    (tmp_path / "scribbled.yaml").write_text(yaml.safe_dump(dataset))
    return {"name": "s", "datasets": [str(tmp_path / "scribbled.yaml")], "data": str(root), "recipes": ["random"]}


def test_masks_that_are_missing_are_answered_with_the_scribbles_there_are(
    study: dict[str, Any], tmp_path: Path
) -> None:
    (config,) = Study.load({**study, "annotations": "mask", "train": {}}, ["train.mask.loss=ce_dice"]).runs()
    with pytest.raises(DataError, match="none for p0, p1. All have scribbles: .*ANNOTATION=scribble"):
        loop.run(config, tmp_path / "run", Store(tmp_path / "store"))


def test_a_recipe_that_reads_ground_truth_stops_before_compute(study: dict[str, Any], tmp_path: Path) -> None:
    """Even beside recipes that need no masks, with which it would share all other checks."""
    study["recipes"] = ["random", "oracle_foreground"]
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    command = ["bench", str(tmp_path / "s.yaml"), "--local", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    assert result.exit_code == 2
    assert "'oracle_foreground' reads ground truth, so training cases need masks; none for p0, p1." in result.stderr
    assert not list(tmp_path.rglob("config.json"))
    config = Study.load(study).runs()[1]
    with pytest.raises(DataError, match="none for p0, p1"):
        loop.run(config, tmp_path / "run", Store(tmp_path / "store"))
    assert not (tmp_path / "run").exists()


def test_others_need_no_masks_of_training_cases(study: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    command = ["bench", str(tmp_path / "s.yaml"), "--local", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (rounds,) = (tmp_path / "out").rglob("rounds.jsonl")
    assert [json.loads(line)["labelled"] for line in rounds.read_text().splitlines()] == [2, 3]
