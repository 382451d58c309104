"""``alseg new dataset``: folders of several kinds are described so that they pass the check and run, or refused."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.study import read_yaml

ROOT = Path(__file__).parents[3]
AXIAL = np.diag([-1.5, -1.5, 6.0, 1.0])
Alter = Callable[[str, np.ndarray], np.ndarray]
NUMBERED = [f"case_{number:03d}" for number in range(8)]


def save(path: Path, array: np.ndarray, affine: np.ndarray = AXIAL) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)


def write_scans(
    root: Path,
    names: Sequence[str] = NUMBERED,
    images: str = "images",
    labels: str = "labels",
    suffix: str = "",
    values: Sequence[int] = (0, 1, 2),
    lowest: int = 0,
    affine: np.ndarray = AXIAL,
    turn: tuple[int, int, int] = (0, 1, 2),
    alter: Alter = lambda _, label: label,
    unmarked: int | None = None,
) -> Path:
    """Write scans of 6 slices of 40 x 36 pixels with an organ and a spot, and scribbles if ``unmarked`` is given."""
    for number, name in enumerate(names):
        label = np.zeros((40, 36, 6), np.uint8)
        label[8:24, 10:26, 1:5], label[28:34, 6:12, 2:5] = 1, 2
        label = alter(name, label)
        noise = 20 * np.random.default_rng(number).random(label.shape)
        image = (80 * label + noise + lowest).astype(np.float32)
        stored = np.array(values)[label].astype(np.int16)
        save(root / images / f"{name}{suffix}.nii.gz", image.transpose(turn), affine)
        save(root / labels / f"{name}.nii.gz", stored.transpose(turn), affine)
        if unmarked is not None:
            scribble = np.where(np.arange(40)[:, None, None] % 5 == 0, stored, unmarked).astype(np.int16)
            save(root / "scribbles" / f"{name}.nii.gz", scribble.transpose(turn), affine)
    return root


@pytest.fixture
def new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """``new(folder, *options)`` runs the command in a folder ``here``, which is empty at first."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(folder: Path, *options: str) -> Result:
        return CliRunner().invoke(main, ["new", "dataset", str(folder), *options], catch_exceptions=False)

    return run


def written(result: Result, name: str) -> dict[str, Any]:
    """Return the file that the command has written, after ``alseg data check`` has found no problem in it."""
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.output.splitlines() if " data check " in line]
    words = shlex.split(line, comments=True)
    checked = CliRunner().invoke(main, words[words.index("data") :], catch_exceptions=False)
    assert f"contact sheet: runs/{name}-sheet.png" in checked.output
    assert checked.exit_code == 0 and "preset quick: works" in checked.output, checked.output
    return read_yaml(Path(f"{name}.yaml"))


def refused(result: Result) -> str:
    assert result.exit_code == 2 and result.stderr.startswith("error: "), result.output
    assert not list(Path().glob("*")), "something was written"
    return " ".join(result.stderr.split())


@pytest.mark.slow
def test_the_printed_command_runs_a_study(tmp_path: Path) -> None:
    scans = write_scans(tmp_path / "my scans", unmarked=99)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def call(words: Sequence[str]) -> str:
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    printed = call([sys.executable, "-m", "bench.cli", "new", "dataset", "my scans"])
    assert "8 cases of 8 patients" in printed
    bench = shlex.split(printed.splitlines()[-1], comments=True)
    tiny = ["recipes=random", "seeds=1", "train.mask.iterations_full=20", "train.mask.iterations_least=20"]
    call([*bench, "--local", *(word for setting in tiny for word in ("--set", setting))])
    (records,) = (tmp_path / "runs/quick-my_scans/runs").glob("*/rounds.jsonl")
    rounds = [json.loads(line) for line in records.read_text().splitlines()]
    content = read_yaml(tmp_path / "my_scans.yaml")
    assert [record["labelled"] for record in rounds] == content["presets"]["quick"]["budgets"] == [3, 6, 12]
    assert content["reader"]["unmarked"] == 99 and scans.is_dir()


def test_a_folder_of_the_decathlon_brings_names_and_a_licence(tmp_path: Path, new: Callable[..., Result]) -> None:
    scans = write_scans(tmp_path / "Task04", [f"hippo_{n:03d}" for n in (1, 3, 4, 9)], "imagesTr", "labelsTr")
    (scans / "imagesTs").mkdir()
    (scans / "imagesTr/._hippo_001.nii.gz").write_bytes(b"left by another system")
    facts: dict[str, Any] = {"name": "Hippocampus", "reference": "Vanderbilt", "licence": "CC-BY-SA 4.0"}
    facts |= {"modality": {"0": "MRI"}, "labels": {"0": "background", "1": "Anterior", "2": "Posterior: tail"}}
    (scans / "dataset.json").write_text(json.dumps(facts))
    content = written(new(scans), "Task04")
    assert content["reader"] == {
        "name": "nifti_folder",
        "folders": {"images": "imagesTr", "labels": "labelsTr"},
        "labels": [0, 1, 2],
    }
    assert content["classes"] == ["background", "Anterior", "Posterior: tail"]
    assert (content["title"], content["citation"], content["licence"]) == ("Hippocampus", "Vanderbilt", "CC-BY-SA 4.0")
    assert content["prepare"]["quick"]["clip_percentile"] == [0, 99]


def test_a_folder_of_nnunet_in_ct_gets_a_window(tmp_path: Path, new: Callable[..., Result]) -> None:
    scans = write_scans(tmp_path / "D", NUMBERED, "imagesTr", "labelsTr", "_0000", lowest=-1000)
    labels = {"background": 0, "liver": 1, "whole": [1, 2]}
    (scans / "dataset.json").write_text(json.dumps({"channel_names": {"0": "CT"}, "labels": labels}))
    result = new(scans)
    content = written(result, "D")
    assert content["classes"] == ["background", "liver", "class_2"]
    assert content["prepare"]["quick"]["window_hu"] == [-160, 240]
    assert "dataset.json says CT, so a window for soft tissue was taken" in result.output
    (scans / "dataset.json").write_text("{")
    Path("D.yaml").unlink()
    result = new(scans)
    assert written(result, "D")["prepare"]["quick"]["window_hu"] == [-160, 240]
    assert "intensities look like those of CT" in result.output and "dataset.json cannot be read" in result.output


def test_visits_are_those_of_one_patient(tmp_path: Path, new: Callable[..., Result]) -> None:
    names = [f"sub-{patient:02d}_ses-{visit}_T1w" for patient in range(4) for visit in (1, 2)]
    result = new(write_scans(tmp_path / "bids", names, values=(0, 127, 255)))
    content = written(result, "bids")
    assert "8 cases of 4 patients" in result.output and "check pattern: patients are inferred from the" in result.output
    assert content["reader"]["values"] == [0, 127, 255] and content["reader"]["unmarked"] == 254
    assert "sub-00: sub-00_ses-1_T1w, sub-00_ses-2_T1w" in Path("bids.yaml").read_text()


def test_scans_that_may_be_of_one_patient_are_taken_together_and_this_is_said(
    tmp_path: Path, new: Callable[..., Result]
) -> None:
    names = [f"p{patient:02d}_{scan}" for patient in range(4) for scan in "ab"]
    scans = write_scans(tmp_path / "mine", names, "x/im", "x/seg")
    result = new(scans, "--images", "x/im", "--labels", str(scans / "x/seg"))
    content = written(result, "mine")
    assert "p00_a and p00_b look like scans of one patient, so they were taken together" in result.output
    assert re.fullmatch(content["reader"]["pattern"], "p00_a")["patient"] == "p00"
    assert "8 cases of 4 patients" in result.output
    result = new(scans, "--images", "x/im", "--labels", "x/seg", "--name", "each", "--pattern", "(?P<patient>.+)")
    assert written(result, "each")["reader"]["pattern"] == "(?P<patient>.+)"
    assert "8 cases of 8 patients" in result.output


def test_scans_stored_with_slices_first_are_turned_and_contradictory_headers_decided(
    tmp_path: Path, new: Callable[..., Result]
) -> None:
    turned = np.array([[0, 0, -1.5, 0], [0, -1.5, 0, 0], [6.0, 0, 0, 0], [0, 0, 0, 1]])
    scans = write_scans(tmp_path / "mine", affine=turned, turn=(2, 1, 0))
    for path in scans.glob("*/case_001.nii.gz"):
        file = nibabel.load(path)
        file.set_qform(np.diag([5.0, 1.0, 1.0, 1.0]), 1)
        file.set_sform(turned, 1)
        nibabel.save(file, path)
    result = new(scans)
    content = written(result, "mine")
    assert (content["reader"]["slice_axis"], content["reader"]["geometry"]) == ("axial", "sform")
    assert "check slice_axis: " in result.output and "check geometry: entries of the headers contra" in result.output
    assert "slices: 48, 6 to 6 a case" in result.output
    assert content["prepare"]["quick"] | {"spacing_mm": 1.5, "size": 48} == content["prepare"]["quick"]


def test_the_grid_lies_close_around_structures_in_wide_scans(tmp_path: Path, new: Callable[..., Result]) -> None:
    def alter(name: str, label: np.ndarray) -> np.ndarray:
        wide = np.zeros((200, 200, 6), np.uint8)
        wide[90:110, 85:110], wide[100:104, 100:125] = 1, 2  # reaches 25.5 pixels of 1.5 mm from the middle
        return wide

    result = new(write_scans(tmp_path / "wide", alter=alter))
    prepare = written(result, "wide")["prepare"]["quick"]
    assert (prepare["size"], prepare["spacing_mm"]) == (64, 1.5)
    assert "check prepare: the grid of 96 mm around the middle" in result.output
    assert "a larger spacing_mm (at most 4.688) shows more" in Path("wide.yaml").read_text()


def test_the_split_gives_every_class_to_training(tmp_path: Path, new: Callable[..., Result]) -> None:
    def alter(name: str, label: np.ndarray) -> np.ndarray:
        return label if name == "case_000" else np.minimum(label, 1)

    content = written(new(write_scans(tmp_path / "rare", alter=alter)), "rare")
    assert content["splits"]["random"]["seed"] == 2  # the draws of seeds 0 and 1 have it in test
    assert "with smaller seeds no training case held some class" in Path("rare.yaml").read_text()


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no folder": (lambda root: None, "there is no such folder"),
    "no images": (
        lambda root: (root / "pictures").mkdir(parents=True),
        "has no folder images/ or imagesTr/. It holds pictures/",
    ),
    "no masks": (
        lambda root: save(root / "images/a.nii", np.zeros((9, 9, 3))),
        "without masks, no prediction can be scored",
    ),
    "no scan": (
        lambda root: [(root / part).mkdir(parents=True) for part in ("images", "labels")],
        "images holds no .nii.gz or .nii file",
    ),
    "one patient": (
        lambda root: write_scans(root, ["p1_visit1", "p1_visit2", "p1_visit3"]),
        "these 3 scans are of 1 patient, p1; training, validation and test need at least 3",
    ),
    "unmatched names": (
        lambda root: write_scans(root) and (root / "labels/case_003.nii.gz").rename(root / "labels/c3.nii.gz"),
        "there is no labels/case_003.nii.gz to go with it",
    ),
    "damaged mask": (
        lambda root: (write_scans(root) / "labels/case_002.nii.gz").write_bytes(b"\x1f\x8bnothing"),
        "labels/case_002.nii.gz: not a readable NIfTI file",
    ),
    "damaged image": (
        lambda root: (path := write_scans(root) / "images/case_002.nii.gz").write_bytes(path.read_bytes()[:4000]),
        "images/case_002.nii.gz: not a readable NIfTI file",
    ),
    "empty masks": (
        lambda root: write_scans(root, alter=lambda _, label: 0 * label),
        "all masks hold one value only (0), so there is nothing to segment",
    ),
    "images as masks": (
        lambda root: write_scans(
            root, alter=lambda _, label: np.arange(label.size).reshape(label.shape) % 256, values=range(256)
        ),
        "the masks hold 256 different values, 0 to 255; are these label files?",
    ),
    "interpolated masks": (
        lambda root: save(write_scans(root) / "labels/case_001.nii.gz", np.full((40, 36, 6), 0.5, np.float32)),
        "labels/case_001.nii.gz: not a whole number: 0.5",
    ),
    "scribbles that mark everything": (
        lambda root: write_scans(root, unmarked=0),
        "nothing tells unmarked pixels",
    ),
    "scribbles alone": (
        lambda root: [path.unlink() for path in write_scans(root, unmarked=9).glob("labels/case_00[1-7]*")],
        "preset quick: does not work here: val and test cases need masks; none for case_006",
    ),
    "masks of another grid": (
        lambda root: save(write_scans(root) / "labels/case_001.nii.gz", np.zeros((40, 36, 6), np.int16), 2 * AXIAL),
        "images and labels must lie on one grid",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_folder_is_one_clear_error(kind: str, tmp_path: Path, new: Callable[..., Result]) -> None:
    make, message = BAD[kind]
    make(tmp_path / "scans")
    assert message in refused(new(tmp_path / "scans"))


def test_fields_of_the_reader_can_be_set(tmp_path: Path, new: Callable[..., Result]) -> None:
    scans = write_scans(tmp_path / "mine", ["a1", "a2", "b1", "c1"])
    rows = ["file,patient,vendor", "a1,anna,X", "a2,anna,X", "b1,ben,Y", "c1,carl,Y"]
    (scans / "who.csv").write_text("\n".join(rows))
    save(scans / "labels/b1.nii.gz", np.asarray(nibabel.load(scans / "labels/a1.nii.gz").dataobj), 2 * AXIAL)
    said = refused(new(scans, "--set", "csv=who.csv"))
    assert "trust_grid: true" in said and "set here with --set FIELD=VALUE" in said
    result = new(scans, "--set", "csv=who.csv", "--set", "trust_grid=true", "--set", "slice_axis=third")
    reader = written(result, "mine")["reader"]
    assert (reader["csv"], reader["trust_grid"], reader["slice_axis"]) == ("who.csv", True, "third")
    assert "4 cases of 3 patients" in result.output and "pattern" not in reader


def test_bad_options_are_refused(tmp_path: Path, new: Callable[..., Result]) -> None:
    scans = write_scans(tmp_path / "phantom")
    assert "a dataset that comes with the program is named phantom" in refused(new(scans))
    assert "a dataset has letters without accents" in refused(new(scans, "--name", "a/b"))
    assert "--images elsewhere: a folder below" in refused(new(scans, "--name", "mine", "--images", "elsewhere"))
    assert "no regular expression" in refused(new(scans, "--name", "mine", "--pattern", "("))
    assert "unknown field 'labels'" in refused(new(scans, "--name", "mine", "--set", "labels=[0,1]"))
    assert "slice_axis" in refused(new(scans, "--name", "mine", "--set", "slice_axis=fourth"))
    assert "--set takes key=value" in refused(new(scans, "--name", "mine", "--set", "trust_grid"))
    assert "must match the pattern" in refused(new(scans, "--name", "mine", "--pattern", "(?P<patient>x)"))


def test_nothing_is_overwritten(tmp_path: Path, new: Callable[..., Result]) -> None:
    Path("mine.yaml").write_text("precious")
    result = new(write_scans(tmp_path / "mine"))
    assert result.exit_code == 2 and "mine.yaml exists already" in result.stderr
    assert Path("mine.yaml").read_text() == "precious"
