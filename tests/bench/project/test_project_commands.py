"""The commands of ``alseg project`` from end to end, and what they write."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from alseg_core.resume import picks
from alseg_core.vocabulary import IGNORE
from bench.project.ask import ask
from bench.project.create import new_project
from bench.project.manifest import Manifest
from bench.project.predict import predict
from bench.project.project import Project
from bench.project.rounds import State, keys, material_of, train
from bench.project.scores import scores
from bench.project.take import take
from tests.bench.project.annotators import annotate
from tests.bench.project.command_line import alseg, refused
from tests.bench.project.conftest import CLASSES, SMALL, truth_of, wishes


def test_a_project_from_the_first_command_to_the_last(folders: Path, tmp_path: Path) -> None:
    liver = tmp_path / "liver"
    settings = [word for setting in SMALL for word in ("--set", setting)]
    options: list[str | Path] = [
        "--images",
        folders / "scans",
        "--classes",
        ",".join(CLASSES),
        "--recipe",
        "entropy",
        "--batch",
        "8",
    ]
    done = alseg("new", liver, *options, *settings)
    assert done.exit_code == 0, done.output
    assert "8 scans of 4 patients" in done.output
    assert "judged by cross-validation" in done.output
    assert "next: " in done.output and f"project next {liver}" in done.output
    assert "chooses the first slices" in alseg("status", liver).output
    truth = truth_of(folders / "all" / "labels")
    for number, program in enumerate(("itksnap", "slicer"), start=1):
        asked = alseg("next", liver)
        assert f"round_0{number}: 8 slices of" in asked.output, asked.output
        again = alseg("next", liver)
        assert again.exit_code == 2 and "8 of 8 slices" in again.output
        annotate(liver / f"round_0{number}", truth, program)
        taken = alseg("take", liver)
        assert taken.exit_code == 0, taken.output
        assert f"round {number}: 8 of 8 slices are there" in taken.output
    shown = alseg("status", liver)
    assert shown.exit_code == 0, shown.output
    assert "trained on 16 slices of" in shown.output and "40 minutes (all timed)" in shown.output
    assert "cross-validation over the annotated slices of 4 patients" in re.sub(r"\s+", " ", shown.output)
    page = (liver / "report.html").read_text()
    assert "<script" not in page and "http://" not in page and "https://" not in page
    assert "data:image/svg+xml" in page
    kept = (liver / "estimates.json").read_bytes()
    alseg("status", liver)
    assert (liver / "estimates.json").read_bytes() == kept  # nothing is measured twice
    assert alseg("predict", liver).exit_code == 0
    assert len(list((liver / "predictions" / "masks").iterdir())) == 8
    exported = alseg("export", liver)
    assert exported.exit_code == 0, exported.output
    facts = json.loads((liver / "export" / "Dataset900_liver" / "dataset.json").read_text())
    assert facts["labels"]["ignore"] == len(CLASSES)
    assert alseg("export", liver, "--format", "nifti", "--to", tmp_path / "plain").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["next", "nowhere"], "nowhere is no project"),
        (["new", "x"], "say which scans"),
        (["new", "x", "--images", "scans"], "name the classes"),
        (["new", "bad name", "--images", "scans", "--classes", "a,b"], "letters without accents"),
    ],
)
def test_errors_are_one_message(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = alseg(*words)
    assert done.exit_code == 2
    assert message in done.output and "Traceback" not in done.output


def test_predictions_lie_where_the_scan_lies_however_it_is_stored(folders: Path, tmp_path: Path) -> None:
    truth = truth_of(folders / "all" / "labels")
    masks, positions = [], []
    doubts: dict[str, list[np.ndarray]] = {"plain": [], "turned": []}
    for name, codes in (("plain", "LPS"), ("turned", "SRP")):
        scans = tmp_path / name / "scans"
        scans.mkdir(parents=True)
        turned = {}
        for path in sorted((folders / "scans").iterdir()):
            case = path.name[:-7]
            image = nib.load(path)
            way = nib.orientations.ornt_transform(
                nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(tuple(codes))
            )
            nib.save(image.as_reoriented(way), scans / path.name)
            labels = nib.Nifti1Image(truth[case], image.affine).as_reoriented(way)
            turned[case] = np.asanyarray(labels.dataobj)
        wanted = wishes(folders, images=scans, validation=None, recipe="random", seed=4, reader={"slice_axis": "axial"})
        project, _ = new_project(tmp_path / name / "liver", wanted)
        ask(project)
        manifest = Manifest.read(project.round_folder(0))
        positions.append([manifest.scan(asked.case).centre_mm(asked.z) for asked in manifest.slices])
        annotate(project.round_folder(0), turned, "itksnap")
        assert take(project).missing == 0
        train(project)
        written = predict(project, tmp_path / name / "out").masks
        canonical = [nib.as_closest_canonical(nib.load(path)) for path in written]
        masks.append([np.asanyarray(image.dataobj) for image in canonical])
        for path, image in zip(written, canonical, strict=True):
            original = nib.as_closest_canonical(nib.load(scans / path.name))
            np.testing.assert_allclose(image.affine, original.affine, atol=1e-4)
            unsure = np.asanyarray(
                nib.as_closest_canonical(nib.load(path.parents[1] / "uncertainty" / path.name)).dataobj
            )
            doubts[name].append(unsure)
            assert unsure.dtype == np.float32 and unsure.min() >= 0 and 0 < unsure.max() <= 1
    np.testing.assert_allclose(positions[0], positions[1], atol=1e-3)
    for plain, turned_mask in zip(*masks, strict=True):
        np.testing.assert_array_equal(plain, turned_mask)
    for plain, turned_doubt in zip(doubts["plain"], doubts["turned"], strict=True):
        np.testing.assert_array_equal(plain, turned_doubt)
    assert any((mask > 0).any() for mask in masks[0])


def test_a_scribble_project_trains_on_what_is_marked(folders: Path, tmp_path: Path) -> None:
    settings = tuple(
        setting.replace("train.mask", "train.scribble").replace("network={", "network={name: unet_dual, ")
        for setting in SMALL
    )
    project, _ = new_project(
        tmp_path / "liver", wishes(folders, kind="scribble", recipe="random", seed=4, settings=settings)
    )
    ask(project)
    manifest = Manifest.read(project.round_folder(0))
    assert manifest.values == (4, 1, 2, 3) and manifest.unmarked == 0
    truth = truth_of(folders / "all" / "labels")
    marks = {}
    for case, labels in truth.items():
        strokes = np.zeros_like(labels)
        strokes[::5] = np.where(labels[::5] == 0, 4, labels[::5])  # every fifth line of the slice
        marks[case] = strokes
    annotate(project.round_folder(0), marks, "itksnap")
    assert take(project).problems == ()
    (record,) = train(project)
    config, material = material_of(project)
    (asked,) = picks([record], material.slices.table)
    labels = config.annotation.annotate(material.vault("val"), material.slices, asked, 0).labels
    # what the network trains on is each stroke as it was drawn, and nothing where there is none
    assert (labels != IGNORE).any(axis=(1, 2)).all() and (labels == IGNORE).any(axis=(1, 2)).all()
    for (where, z), seen in zip(keys(record.selected), labels, strict=True):
        assert set(np.unique(seen)) - {IGNORE} <= set(np.unique(truth[where][:, :, z]))
    assert int((labels != IGNORE).sum()) == record.marked
    assert record.cost == pytest.approx(5 / 15)
    assert 0 < record.foreground < record.marked < 5 * material.slices.size[0] ** 2


def test_a_project_moves_with_its_scans(folders: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    os.system(f"cp -rp {folders / 'scans'} {here / 'scans'}")
    project, _ = new_project(here / "liver", wishes(folders, images=here / "scans", validation=None, recipe="random"))
    ask(project)
    here.rename(there)
    moved = Project.open(there / "liver")
    annotate(moved.round_folder(0), truth_of(folders / "all" / "labels"), "itksnap")
    assert take(moved).missing == 0
    assert len(train(moved)) == 1
    (there / "scans").rename(tmp_path / "elsewhere")
    for words in (("next",), ("status",), ("predict",), ("export",)):
        said = refused(words[0], there / "liver")
        assert f"the scans of this project were at {there / 'scans'}, which is not there" in said, said
        assert "move them along with the project, to ../scans seen from" in said and "layout" not in said


def test_scores_say_what_is_not_measured_yet(folders: Path, tmp_path: Path) -> None:
    project, _ = new_project(tmp_path / "liver", wishes(folders, validation=None, recipe="random"))
    ask(project)
    annotate(project.round_folder(State.of(project).pending.round), truth_of(folders / "all" / "labels"), "itksnap")
    take(project)
    records = train(project)
    (score,) = scores(project, records)
    assert score.dice is None and score.how == "not measured yet"
