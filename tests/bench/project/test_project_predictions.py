"""A project whose annotators drew nothing but background: what is written and said of it."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bench.project.ask import ask
from bench.project.create import new_project
from bench.project.manifest import Manifest
from bench.project.predict import predict
from bench.project.project import Project
from bench.project.rounds import train
from bench.project.scores import Score, _score
from bench.project.status import RoundLine, Status, status, text
from bench.project.structures import Structures
from bench.project.take import take
from tests.bench.project.annotators import annotate
from tests.bench.project.conftest import FAST, truth_of, wishes


@pytest.fixture(scope="module")
def blank(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, tuple[str, ...]]:
    """The project after its first training, and what ``take`` said."""
    folder = tmp_path_factory.mktemp("blank") / "liver"
    project, _ = new_project(folder, wishes(folders, recipe="random", validation=None, settings=FAST))
    ask(project)
    nothing = {case: np.zeros_like(labels) for case, labels in truth_of(folders / "all" / "labels").items()}
    annotate(project.round_folder(0), nothing, "itksnap")
    said = take(project).lines
    train(project)
    return project, said


def test_nothing_but_background_is_said_by_every_command(
    blank: tuple[Project, tuple[str, ...]], tmp_path: Path
) -> None:
    project, said = blank
    assert any("5 slices taken now, and nothing but background on them" in line for line in said)
    lines = text(status(project, 90))
    assert "0 of 5 annotated slices show any structure; marked pixels: wall 0, cavity 0, nodule 0" in lines
    assert predict(project, tmp_path / "out").lines[1:] == [
        "the network predicts background everywhere in 8 of 8 scans"
    ]


def test_the_table_tells_what_is_of_people_and_what_of_the_network(
    blank: tuple[Project, tuple[str, ...]], tmp_path: Path
) -> None:
    project, _ = blank
    out = tmp_path / "out"
    predict(project, out)
    with (out / "about.csv").open(newline="") as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    assert len(rows) == 8
    manifest = Manifest.read(project.round_folder(0))
    for case, row in rows.items():
        drawn = sorted(asked.z for asked in manifest.slices if asked.case == case)  # read as stored: z is the index
        assert (row["round"], row["axis"], row["drawn"]) == ("1", "k", " ".join(map(str, drawn)))
        assert row["network_foreground"] == "0"
        unsure = np.asanyarray(nib.load(out / "uncertainty" / f"{case}.nii.gz").dataobj)
        # a slice of the network is unsure somewhere, and 0 outside its grid alone
        zero = [float((unsure[:, :, z] == 0).mean()) for z in range(unsure.shape[2])]
        assert [z for z, share in enumerate(zero) if share == 1] == drawn
        assert {f"{share:.3f}" for share in zero if share < 1} == {row["outside_grid"]}


def test_predictions_that_are_cut_off_leave_those_before(
    blank: tuple[Project, tuple[str, ...]], tmp_path: Path
) -> None:
    project, _ = blank
    out = tmp_path / "out"
    predict(project, out)
    (out / "masks" / "mine.txt").write_text("stays")
    before = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}

    def stop(done: int, total: int, case: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(project, out, False, stop)
    assert {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()} == before
    predict(project, out, False)
    after = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    assert after.keys() == before.keys() and after != before


def told(patients: int, there: int = 12) -> list[str]:
    """The text of a status with one round, scored on so many patients."""
    scores = {f"p{number}": 0.5 + number / 100 for number in range(patients)}
    interval = (0.4, 0.6) if patients > 1 else None
    line = RoundLine("1", 12, 12, 12.0, 60.0, 12, Score(0, 12, 0.5, scores, {}, interval, "cross-validation"))
    facts = Structures(there, 2, {"wall": 7, "cavity": 69, "nodule": 1})
    return text(Status("liver", 90, [line], 20, 6, 30.0, facts, None, "cross-validation", "go on"))


def test_intervals_of_few_patients_are_called_too_narrow() -> None:
    for patients in (2, 4, 9):
        line = f"95 % intervals: they rest on {patients} patients, and from fewer than 10 they are too narrow"
        assert line in told(patients)
    for patients in (1, 10, 40):
        assert not any("too narrow" in line for line in told(patients))


def test_slices_that_are_there_and_not_trained_on_are_told() -> None:
    lines = told(4, there=18)
    assert lines[0] == (
        "trained on 12 slices of 90: 12.0 full-slice equivalents, 60 minutes (all timed); "
        "6 more are there, not trained on yet"
    )
    assert lines[1] == "2 of 18 annotated slices show any structure; marked pixels: wall 7, cavity 69, nodule 1"
    assert told(4)[0].endswith("(all timed)")


def test_scores_of_scribbles_are_called_those_of_marked_pixels(blank: tuple[Project, tuple[str, ...]]) -> None:
    (record,) = blank[0].results.records()
    entry = {"dice": 0.5, "patients": {"p1": 0.5}, "classes": {}, "interval": None, "how": "cross-validation"}
    marked = _score(record, entry, True).how
    assert marked == "cross-validation. Dice is that of the marked pixels alone: what no stroke covers is not judged"
    assert _score(record, entry, False).how == "cross-validation"
    assert _score(record, {"how": "too few patients"}, True).how == "too few patients"
