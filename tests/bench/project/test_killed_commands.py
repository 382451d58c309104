"""SIGKILL at any change of the files of a project: the same command, given again, ends as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from alseg_core.oracles.returned import Returned
from alseg_core.results import RunFolder
from tests.bench.project.annotators import annotate
from tests.bench.project.conftest import CLASSES, SMALL, truth_of
from tests.bench.project.killing import Commands, Done

MOST = int(os.environ.get("ALSEG_KILLS", "40"))
"""Most points of a command at which it is killed, spread evenly over all of them; $ALSEG_KILLS changes it."""
SHORT = ("train.mask.iterations_full=60", "train.mask.iterations_least=20", "train.mask.validate_every=20")
VARYING = {"seconds", "cpu_seconds", "ended", "peak_mb", "check", "taken", "files"}
"""What differs between two runs that do the same: times, and the checksums of what holds times."""
DONE_BEFORE = {
    "new": "is a project already",
    "next": r"are not there yet. When they are annotated|none of the 4 slices of round \d was given",
}
"""What a command says when it had come to its end before it was killed."""


@dataclass
class Stage:
    """A project before a command, and what the command makes of it."""

    words: tuple[str, ...]
    before: Path | None
    """A copy of the project; None where there is none yet."""
    points: int
    after: dict[str, object]
    output: str


@dataclass
class Story:
    """A project from its start to its exports, never killed, stage by stage."""

    alseg: Commands
    project: Path
    stages: dict[str, Stage]

    def put(self, before: Path | None) -> None:
        """Put the project back to a stage."""
        shutil.rmtree(self.project, ignore_errors=True)
        if before is not None:
            shutil.copytree(before, self.project)


@pytest.fixture(scope="module")
def scans(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scans of two patients to annotate, and ``masks/`` of one slice of each."""
    root = tmp_path_factory.mktemp("few")
    truth = truth_of(folders / "all" / "labels")
    for path in sorted((folders / "scans").iterdir())[::2][:3]:
        (root / "scans").mkdir(exist_ok=True)
        (root / "masks").mkdir(exist_ok=True)
        shutil.copy2(path, root / "scans")
        image, case = nib.load(path), path.name[:-7]
        known = np.full(image.shape, 255, np.uint8)
        middle = image.shape[2] // 2
        known[:, :, middle : middle + 2] = truth[case][:, :, middle : middle + 2]
        nib.save(nib.Nifti1Image(known, image.affine), root / "masks" / path.name)
    return root


@pytest.fixture(scope="module")
def story(folders: Path, scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A project with a partial return, a correction, and rounds that were trained on."""
    root = tmp_path_factory.mktemp("story")
    project, truth = root / "work" / "liver", truth_of(folders / "all" / "labels")
    project.parent.mkdir()
    found = Story(Commands(project), project, {})

    def step(name: str, *words: str) -> None:
        before = root / name if project.exists() else None
        if before is not None:
            shutil.copytree(project, before)
        done = found.alseg(words[0], project, *words[1:])
        assert done.code == 0, (name, done.output)
        found.stages[name] = Stage(words, before, done.points, content(project), done.output)

    try:
        settings = [word for setting in (*SMALL, *SHORT) for word in ("--set", setting)]
        options = ["--images", str(scans / "scans"), "--classes", ",".join(CLASSES), "--batch", "4", *settings]
        step("new_given", "new", *options, "--recipe", "random", "--given", str(scans / "masks"))
        shutil.rmtree(project)
        step("new", "new", *options, "--recipe", "gcl_coreset")
        step("next_first", "next")
        annotate(project / "round_01", truth, "itksnap", leave_out=1)
        step("take_part", "take")
        step("next_second", "next", "--without-missing", "--prefill", "--copy-images")
        annotate(project / "round_02", truth, "slicer")
        drawn_again = {case: labels.copy() for case, labels in truth.items()}
        for labels in drawn_again.values():
            labels[:6, :6] = 3
        annotate(project / "round_01", drawn_again, "itksnap", leave_out=1)
        step("take_correction", "take", "--round", "1")
        assert "corrected: the new labels count" in found.stages["take_correction"].output
        step("take_all", "take")
        step("status", "status")
        step("next_third", "next")
        step("predict", "predict")
        step("export", "export")
        step("export_nifti", "export", "--format", "nifti")
        yield found
    finally:
        found.alseg.close()


NAMES = (
    "new",
    "new_given",
    "next_first",
    "take_part",
    "next_second",
    "take_correction",
    "take_all",
    "status",
    "next_third",
    "predict",
    "export",
    "export_nifti",
)


def content(project: Path) -> dict[str, object]:
    """Return what the files of a project say, without the times of the work; copies of returned files by content."""
    found: dict[str, object] = {}
    for path in sorted(project.rglob("*")):
        name = path.relative_to(project).as_posix()
        if path.is_dir():
            if not any(path.iterdir()) and not name.startswith("store"):
                found[f"{name}/"] = None
        elif name.startswith("returns/"):
            found.setdefault("returns", set()).add((name.split("/", 2)[2], _sum(path)))  # type: ignore[attr-defined]
        elif name.startswith("store/"):
            if path.name == "key.json":
                found[name] = sorted(json.loads(path.read_text())["files"])
        else:
            found[name] = _said(path)
    labels = Returned(project / "labels")
    found["latest labels"] = {key: labels.read(entry).tolist() for key, entry in labels.latest().items()}
    found["history"] = [(entry.case, entry.z, entry.array, entry.minutes) for entry in labels.history()]
    records = RunFolder(project / "run").records()
    found["records"] = [_steady(vars(record)) for record in records]
    return {name: said for name, said in found.items() if not _of_a_finished_round(project, name, len(records) - 1)}


def _of_a_finished_round(project: Path, name: str, last: int) -> bool:
    """Whether a file counts for nothing once the record of its round is there; the next round removes it."""
    if name == "run/pending.json":
        return int(json.loads((project / name).read_text())["round"]) <= last
    state = re.fullmatch(r"run/state_(\d+)\.pt", name)
    return state is not None and int(state[1]) < last


def _said(path: Path) -> object:
    if path.name in ("report.html", "environment.json", "labels.jsonl", "rounds.jsonl"):
        return "there"
    if path.name == "pending.json":
        return _steady(json.loads(path.read_text()))
    if path.suffix == ".pt":
        with zipfile.ZipFile(path) as archive:
            return [(entry.filename.partition("/")[2], entry.CRC) for entry in archive.infolist()]
    return _sum(path)


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _steady(facts: Any) -> Any:
    if isinstance(facts, dict):
        return {key: _steady(value) for key, value in facts.items() if key not in VARYING and "seconds" not in key}
    return [_steady(value) for value in facts] if isinstance(facts, list) else facts


def recovered(story: Story, stage: Stage, at: int) -> Done:
    """Kill a command at a point, and give it again; return how that ended."""
    story.put(stage.before)
    killed = story.alseg(stage.words[0], story.project, *stage.words[1:], at=at)
    assert killed.killed and "Traceback" not in killed.output, killed.output
    return story.alseg(stage.words[0], story.project, *stage.words[1:])


def check(story: Story, name: str, points: list[int]) -> None:
    """Kill at points; afterwards everything is as if nothing had happened."""
    stage = story.stages[name]
    faults = []
    for at in points:
        again = recovered(story, stage, at)
        here = content(story.project)
        differs = {key for key in {*here, *stage.after} if here.get(key, "missing") != stage.after.get(key, "missing")}
        if stage.words[0] == "new":
            differs.discard("starting")  # it says nothing once the project is whole
        before = re.search(DONE_BEFORE.get(stage.words[0], "$^"), again.output) is not None
        if differs or "Traceback" in again.output or (again.code != 0 and not before):
            faults.append(f"point {at}: {sorted(differs)}: {again.code}: {again.output[-600:]}")
    assert not faults, f"{len(faults)} of {len(points)} of {stage.points}:\n" + "\n".join(faults[:12])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NAMES)
def test_a_kill_at_any_change_of_files_harms_nothing(name: str, story: Story) -> None:
    total = story.stages[name].points
    assert total > 2
    points = sorted({round(at) for at in np.linspace(1, total, min(total, MOST))})
    print(f"{name}: {len(points)} of {total} points")
    check(story, name, points)
