"""Studies of a user's own NIfTI files: what is wrong with the data is said before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from bench.cli import main

PATIENTS = 4
AXIAL = np.diag([-1.5, -1.5, 5.0, 1.0])
Alter = Callable[[int, np.ndarray], np.ndarray]


def write_scans(root: Path, alter: Alter = lambda _, label: label, scribbles: int = 0, sagittal: bool = False) -> Path:
    """Write scans of 6 slices with an organ and a spot, and scribbles of the first patients."""
    for part in ("images", "labels", *(["scribbles"] if scribbles else [])):
        (root / part).mkdir(parents=True)
    affine = np.array([[0, 0, -1.5, 0], [0, -1.5, 0, 0], [5.0, 0, 0, 0], [0, 0, 0, 1]]) if sagittal else AXIAL
    for number in range(PATIENTS):
        label = np.zeros((16, 16, 6), np.uint8)
        label[3:10, 4:12, 1:5], label[11:14, 2:6, 2:5] = 1, 2
        label = alter(number, label)
        image = (80 * label + np.random.default_rng(number).random(label.shape)).astype(np.float32)
        scribble = np.where(np.arange(16)[:, None, None] % 5 == 0, label, 255).astype(np.uint8)
        parts: dict[str, np.ndarray] = {
            "images": image,
            "labels": label,
            **({"scribbles": scribble} if number < scribbles else {}),
        }
        for part, array in parts.items():
            stored = array.transpose(2, 1, 0) if sagittal else array
            nibabel.save(nibabel.Nifti1Image(stored, affine), root / part / f"p{number}.nii.gz")
    return root


@pytest.fixture
def bench(tmp_path: Path, tiny: dict[str, Any]) -> Callable[..., Result]:
    """``bench(scans, annotation, **reader)`` runs a study of random on the scans in ``tmp_path``, without Ray."""
    split = {"name": "patients", "train": ["p0", "p1"], "val": ["p2"], "test": ["p3"]}

    def run(scans: Path, annotation: Any = "mask", command: str = "bench", **reader: Any) -> Result:
        train = {**tiny["train"], "network": {"name": "unet", "widths": [4, 8], "dropouts": [0, 0]}, "loss": "ce_dice"}
        preset = {"prepare": {"size": 16}, "split": split, "budgets": [3, 6], "train": {"mask": train}}
        preset["train"]["scribble"] = tiny["train"]
        dataset = {
            "name": "mine",
            "reader": {"name": "nifti_folder", "labels": [0, 1, 2], **reader},
            "classes": ["background", "organ", "spot"],
            "presets": {"quick": preset},
        }
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(dataset))
        if command == "check":
            sheet = str(tmp_path / "sheet.png")
            arguments = ["data", "check", str(tmp_path / "mine.yaml"), "--data", str(scans), "--sheet", sheet]
        else:
            study = {
                "name": "own",
                "datasets": [str(tmp_path / "mine.yaml")],
                "recipes": ["random"],
                "data": str(scans),
            }
            (tmp_path / "own.yaml").write_text(yaml.safe_dump({**study, "annotations": [annotation], "retries": 0}))
            arguments = ["bench", str(tmp_path / "own.yaml"), "--local", "--out", str(tmp_path / "out")]
        return CliRunner().invoke(main, arguments, catch_exceptions=False)

    return run


def one_line(result: Result) -> str:
    return " ".join(result.output.split())


def test_masks_that_are_all_empty_are_refused_before_a_run(tmp_path: Path, bench: Callable[..., Result]) -> None:
    scans = write_scans(tmp_path / "scans", lambda _, label: 0 * label)
    result = bench(scans)
    assert result.exit_code == 2
    assert "error: mine: all labels are empty: the 4 cases hold background only" in one_line(result)
    assert not list((tmp_path / "out").glob("own/runs/*"))
    assert "preset quick: does not work here: all labels are empty" in one_line(bench(scans, command="check"))


def test_a_class_that_no_training_case_holds_is_refused_before_a_run(
    tmp_path: Path, bench: Callable[..., Result]
) -> None:
    scans = write_scans(tmp_path / "scans", lambda number, label: label if number == 3 else np.minimum(label, 1))
    result = bench(scans)
    assert result.exit_code == 2
    assert "mine: no training case holds class 2 (spot), which p3 holds." in one_line(result)


def test_a_class_that_no_test_case_holds_is_warned_of_everywhere(tmp_path: Path, bench: Callable[..., Result]) -> None:
    warning = "class 2 (spot) is in no test case: its score there is undefined"
    scans = write_scans(tmp_path / "scans", lambda number, label: label if number < 3 else np.minimum(label, 1))
    result = bench(scans)
    assert result.exit_code == 0, result.output
    assert f"warning: mine: {warning}" in one_line(result)
    (environment,) = (tmp_path / "out/own/runs").glob("*/environment.json")
    assert json.loads(environment.read_text())["data"]["warnings"] == [warning]
    assert f"About the data ({warning})." in (tmp_path / "out/own/report/comparison.md").read_text()
    assert "works (2 / 1 / 1 volumes to train / validate / test, 3, 6 slices to label; fewer" in one_line(
        checked := bench(scans, command="check")
    )
    assert warning in one_line(checked)


def test_scribbles_of_some_patients_need_a_word(tmp_path: Path, bench: Callable[..., Result]) -> None:
    scans = write_scans(tmp_path / "scans", scribbles=1)
    result = bench(scans, "scribble")
    assert result.exit_code == 2
    assert "scribbles are given for 1 of the 2 training cases, not for p1." in one_line(result)
    assert "source: simulated" in one_line(result) and "mixed" in one_line(result)
    for source, origin in (("mixed", "partly simulated"), ("simulated", "simulated")):
        result = bench(scans, {"name": "scribble", "source": source})
        assert result.exit_code == 0, result.output
        (rounds,) = [
            path
            for path in (tmp_path / "out/own/runs").glob("*/rounds.jsonl")
            if json.loads((path.parent / "config.json").read_text())["config"]["annotation"]["source"] == source
        ]
        assert json.loads(rounds.read_text().splitlines()[0])["signals"]["labels"] == origin


def test_scans_stored_sagittal_first_are_turned_and_found_again(tmp_path: Path, bench: Callable[..., Result]) -> None:
    def above(number: int, label: np.ndarray) -> np.ndarray:
        return np.where(np.arange(6) < 3 + number % 2, label, 0).astype(np.uint8)  # no plane of symmetry

    scans = write_scans(tmp_path / "turned", above, sagittal=True)
    refused = bench(scans)
    assert refused.exit_code == 2 and "slice_axis" in one_line(refused)
    picks = {}
    for name, fields in (("turned", {"slice_axis": "coarsest"}), ("plain", {"slice_axis": "axial"})):
        scans = scans if name == "turned" else write_scans(tmp_path / name, above)
        result = bench(scans, **fields)
        assert result.exit_code == 0, result.output
        (rounds,) = [
            path
            for path in (tmp_path / "out/own/runs").glob("*/rounds.jsonl")
            if json.loads((path.parent / "config.json").read_text())["config"]["dataset"]["reader"]
            == {
                "name": "nifti_folder",
                "labels": [0, 1, 2],
                "values": None,
                "unmarked": 255,
                "pattern": None,
                "csv": None,
                "trust_grid": False,
                **fields,
            }
        ]
        picks[name] = [json.loads(line)["selected"] for line in rounds.read_text().splitlines()]
    for ours, theirs in zip(picks["turned"], picks["plain"], strict=True):
        assert [(s["case"], s["z"]) for s in ours] == [(s["case"], s["z"]) for s in theirs]
        assert all(s["stored"] == {"axis": 0, "index": s["z"]} for s in ours)
        assert all("stored" not in s for s in theirs)


def test_a_check_fails_where_no_preset_works(tmp_path: Path, bench: Callable[..., Result]) -> None:
    scans = write_scans(tmp_path / "scans")
    assert bench(scans, command="check").exit_code == 0
    for path in scans.glob("*/p3.nii.gz"):
        path.unlink()
    result = bench(scans, command="check")
    assert result.exit_code == 1 and "problem: no preset works with these scans" in one_line(result)
