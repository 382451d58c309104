"""The same picks and scores by the commands ``alseg project`` and ``alseg bench`` with the same settings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from alseg_core.results import RunFolder
from bench.cli import main
from bench.project.manifest import Manifest
from tests.bench.project.annotators import annotate
from tests.bench.project.command_line import ok, sets
from tests.bench.project.conftest import CLASSES, SMALL, truth_of

SETTINGS = (*SMALL, "train.mask.iterations_full=1500")


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("recipe", ["entropy", "gcl_coreset"])
def test_both_commands_pick_the_same(
    recipe: str, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liver = tmp_path / "liver"
    own = ["--recipe", recipe, "--batch", "5", "--planned", "3", "--seed", "1", *sets(*SETTINGS)]
    scans: list[str | Path] = [
        "--images",
        folders / "scans",
        "--classes",
        ",".join(CLASSES),
        "--validation",
        folders / "val",
    ]
    ok("new", liver, *scans, *own)
    asked = []
    for number, program in enumerate(("itksnap", "slicer", "mitk"), start=1):
        ok("next", liver)
        folder = liver / f"round_0{number}"
        asked.append([(slice_.case, slice_.z) for slice_ in Manifest.read(folder).slices])
        annotate(folder, truth_of(folders / "all" / "labels"), program)
        ok("take", liver)
    ok("status", liver)
    ours = RunFolder(liver / "run").records()

    # the benchmark has all masks, and splits the same patients with them
    content = yaml.safe_load((liver / "dataset.yaml").read_text())
    content |= {"name": "all", "reader": {"name": "nifti_folder", "labels": list(range(len(CLASSES)))}}
    patients = {"train": ["phantom001..phantom004"], "val": ["phantom005"], "test": ["phantom006"]}
    content["splits"] = {"project": {"name": "patients", **patients}}
    (tmp_path / "all.yaml").write_text(yaml.safe_dump(content))
    study = {
        "name": "same",
        "datasets": [str(tmp_path / "all.yaml")],
        "recipes": [recipe],
        "annotations": ["mask"],
        "schedules": {"project": [5, 10, 15]},
        "seeds": [1],
        "data": str(folders / "all"),
    }
    (tmp_path / "same.yaml").write_text(yaml.safe_dump(study))
    monkeypatch.chdir(tmp_path)
    words = ["bench", "same.yaml", "--local", *sets(*SETTINGS)]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (rounds,) = (tmp_path / "runs").rglob("rounds.jsonl")
    theirs = [json.loads(line) for line in rounds.read_text().splitlines()]

    assert asked == [[(entry["case"], entry["z"]) for entry in record["selected"]] for record in theirs]
    dice = [[member["validation_dice"] for member in record.members] for record in ours]
    assert dice == [[member["validation_dice"] for member in record["members"]] for record in theirs]
    assert len(np.unique(np.array(dice))) == 3  # there is something to compare
