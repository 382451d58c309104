"""A tuning and a study on real scans: packed, checked with the scans there, and made again."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from bench.bundle.check import REPLAY, check
from bench.bundle.pack import pack
from bench.cli import main
from tests.bench.bundle.conftest import SETTINGS, finished_study
from tests.bench.bundle.test_forgeries import problems

PATIENTS = 8
ACDC: dict[str, Any] = {"name": "few", "reader": {"name": "acdc"}}


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A copy of a few patients of ACDC, with dates of its own."""
    root = Path(os.environ["ALSEG_ACDC"])
    training = next(place for place in (root / "database" / "training", root / "training") if place.is_dir())
    for patient in sorted(place for place in training.iterdir() if place.is_dir())[:PATIENTS]:
        shutil.copytree(patient, tmp_path / "scans" / "training" / patient.name, copy_function=shutil.copyfile)
    return tmp_path / "scans"


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif("ALSEG_ACDC" not in os.environ, reason="set ALSEG_ACDC to the folder of the ACDC data")
def test_study_and_tuning_pass_with_the_scans_there_and_with_a_copy_of_other_dates(scans: Path, tmp_path: Path) -> None:
    study = finished_study(tmp_path, [*SETTINGS, f"data={scans}"], ACDC)
    tuning = {
        "name": "few",
        "recipe": "strided",
        "dataset": str(tmp_path / "tiny.yaml"),
        "data": str(scans),
        "settings": {"annotations": "scribble", "train": {"scribble": {"iterations_full": 30}}},
        "trials": 2,
        "proxy": {"seeds": 1, "budgets": 1},
        "full": {"top": 1, "seeds": 1, "budgets": 1},
        "space": {"train.lr": {"kind": "float", "low": 0.01, "high": 0.05}},
    }
    (tmp_path / "few.yaml").write_text(yaml.safe_dump(tuning))
    out = tmp_path / "runs"
    command = ["tune", str(tmp_path / "few.yaml"), "--local", "--out", str(out), "--recipes-to", str(tmp_path)]
    tuned = CliRunner().invoke(main, command, catch_exceptions=False)
    assert tuned.exit_code == 0, tuned.output
    (folder,) = out.glob("tune-*")
    bundle = pack(study, tmp_path / "few.alseg.zip", tunings=[folder]).path
    verdict = check(bundle, strict=True, data=scans, replay=2)
    assert set(problems(verdict)) <= {"strict: committed code"}  # the tests may run on uncommitted changes
    (made,) = verdict.found[REPLAY]
    assert made.text.endswith("2 rounds made again with the same picks")
    for file in scans.rglob("*.*"):
        os.utime(file, (0, 0))
    assert check(bundle, data=scans, replay=2).found[REPLAY] == verdict.found[REPLAY]  # dates do not count
    for file in scans.rglob("*.nii.gz"):
        file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()), mtime=1))  # other files, the same scans
    again = check(bundle, data=scans, replay=2)
    assert problems(again) == {}
    first, second = (finding.text for finding in again.found[REPLAY])
    assert "the data here have the key" in first and second.endswith("2 rounds made again with the same picks")
