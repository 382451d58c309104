"""Every kind of scan, label, network and annotator, through the commands."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from alseg_core.data.readers import READERS
from alseg_core.vocabulary import AS_STORED, IGNORE
from bench.project.manifest import Manifest
from bench.project.project import Project
from tests.bench.project.annotators import Truth, annotate
from tests.bench.project.command_line import alseg, ok, sets
from tests.bench.project.conftest import CLASSES, FAST, truth_of
from tests.data.test_davis import write_lists, write_sequence

STROKES = tuple(
    setting.replace("train.mask", "train.scribble").replace("network={", "network={name: unet_dual, ")
    for setting in FAST
)
NAMED = ["--classes", ",".join(CLASSES)]


@pytest.fixture
def truth(folders: Path) -> Truth:
    return truth_of(folders / "all" / "labels")


def strokes_of(truth: Truth) -> dict[str, np.ndarray]:
    """Every seventh line of a slice, where the background has the highest value and 0 is not marked."""
    marks = {case: np.zeros_like(labels) for case, labels in truth.items()}
    for case, labels in truth.items():
        marks[case][::7] = np.where(labels[::7] == 0, len(CLASSES), labels[::7])
    return marks


def kept_of(project: Path) -> dict[tuple[str, int], np.ndarray]:
    """(case, z) -> the labels that are trained on, as class numbers."""
    returned = Project.open(project).returned
    return {key: returned.read(entry) for key, entry in returned.latest().items()}


@pytest.mark.parametrize("program", ["itksnap", "slicer", "mitk"])
def test_scribbles_are_kept_voxel_for_voxel(program: str, folders: Path, truth: Truth, tmp_path: Path) -> None:
    liver = tmp_path / "liver"
    own = ["--kind", "scribble", "--recipe", "random", "--batch", "6", *sets(*STROKES)]
    ok("new", liver, "--images", folders / "scans", *NAMED, *own)
    ok("next", liver)
    marks = strokes_of(truth)
    annotate(liver / "round_01", marks, program)
    assert "6 of 6 slices are there" in ok("take", liver)
    manifest, kept = Manifest.read(liver / "round_01"), kept_of(liver)
    assert set(kept) == {(asked.case, asked.z) for asked in manifest.slices}
    for (case, z), labels in kept.items():
        drawn = marks[case][:, :, z].T  # stored (x, y, z), read (z, y, x)
        wanted = np.where(drawn == 0, IGNORE, np.where(drawn == len(CLASSES), 0, drawn))
        np.testing.assert_array_equal(labels, wanted)
        assert (labels == 0).any() and (labels == IGNORE).any()


def test_annotators_who_differ(folders: Path, truth: Truth, tmp_path: Path) -> None:
    liver, back = tmp_path / "liver", tmp_path / "back"
    own = ["--recipe", "random", "--batch", "4", *sets(*FAST)]
    ok("new", liver, "--images", folders / "scans", *NAMED, *own)
    ok("next", liver)
    before = (liver / "run" / "pending.json").read_bytes()
    asked = [(slice_.case, slice_.z) for slice_ in Manifest.read(liver / "round_01").slices]
    differ = asked[:2]
    theirs = {"Ada": truth, "Bo": {case: labels.copy() for case, labels in truth.items()}}
    for case, z in differ:
        theirs["Bo"][case][:4, :4, z] = 3
    for name, drawn in theirs.items():
        copy = tmp_path / name / "liver" / "round_01"
        shutil.copytree(liver / "round_01", copy)
        annotate(copy, drawn, "itksnap")
        shutil.copytree(copy / "segmentations", back / name)
        shutil.copy(copy / "worklist.csv", back / name)
    first = alseg("take", liver, back)
    said = " ".join(first.output.split())
    assert first.exit_code == 1 and "Ada and Bo differ" in said and "choose one with --annotator NAME" in said
    assert "2 of 4 slices are there" in said
    unknown = alseg("take", liver, back, "--annotator", "Cy")
    assert unknown.exit_code == 2 and "there is nothing of the annotator 'Cy'; there are Ada, Bo" in unknown.output
    assert "4 of 4 slices are there" in ok("take", liver, back, "--annotator", "bo")
    for case, z in asked:
        np.testing.assert_array_equal(kept_of(liver)[case, z], theirs["Bo"][case][:, :, z].T)
    assert (liver / "run" / "pending.json").read_bytes() == before


@pytest.mark.parametrize("kind", [pytest.param("mask", marks=pytest.mark.slow), "scribble"])
def test_scans_that_are_annotated_already(kind: str, folders: Path, truth: Truth, tmp_path: Path) -> None:
    liver, given = tmp_path / "liver", tmp_path / "given"
    cases = sorted(path.name[:-7] for path in (folders / "scans").iterdir())
    given.mkdir()
    for case in cases[:2]:
        shutil.copy(folders / "all" / "labels" / f"{case}.nii.gz", given)
    depths = {case: truth[case].shape[2] for case in cases}
    own = ["--kind", kind, "--recipe", "strided", "--batch", "6", *sets(*(FAST if kind == "mask" else STROKES))]
    whole = sum(depths[case] for case in cases[:2])
    start: tuple[str | Path, ...] = ("--images", folders / "scans", *NAMED, *own, "--given", given)
    assert f"given: {whole} annotated slices of 2 scans" in ok("new", liver, *start)
    table = tmp_path / "some.csv"
    table.write_text("case,index\n" + "".join(f"{cases[0]},{z}\n" for z in (5, 7, 9)))
    assert "given: 3 annotated slices of 1 scan" in ok("new", tmp_path / "some", *start, "--given-slices", table)
    for (case, z), labels in kept_of(tmp_path / "some").items():
        np.testing.assert_array_equal(labels, truth[case][:, :, z].T)
    assert "round_01: 6 slices" in ok("next", liver)
    asked = {slice_.case for slice_ in Manifest.read(liver / "round_01").slices}
    assert asked and not asked & set(cases[:2])  # a scan that is annotated throughout is not asked for
    (record,) = Project.open(liver).results.records()
    assert record.labelled == whole


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("validated", [True, False])
def test_volumes_for_a_3d_network(validated: bool, folders: Path, truth: Truth, tmp_path: Path) -> None:
    liver = tmp_path / "liver"
    small = ("network={widths: [4, 8]}", "iterations_full=100", "iterations_least=10", "validate_every=10")
    own = ["--recipe", "random_3d", "--batch", "20", *sets(*(f"train.mask.{setting}" for setting in small))]
    validation: list[str | Path] = ["--validation", folders / "val"] if validated else []
    ok("new", liver, "--images", folders / "scans", *NAMED, *own, *validation)
    asked: list[tuple[str, int]] = []
    depths: dict[str, int] = {}
    for number, program in ((1, "itksnap"), (2, "slicer")):
        ok("next", liver)
        manifest = Manifest.read(liver / f"round_0{number}")
        asked += [(slice_.case, slice_.z) for slice_ in manifest.slices]
        depths |= {scan.case: scan.depth for scan in manifest.scans}
        partly = [case for case, depth in depths.items() if sum(one == case for one, _ in asked) < depth]
        # whole volumes, the last one as far as the budget allows; the next round begins with its rest
        assert len(set(asked)) == 20 * number and len(partly) <= 1 < len(depths)
        annotate(liver / f"round_0{number}", truth, program)
        ok("take", liver)
    said = ok("status", liver)
    assert "trained on 40 slices of" in said
    assert ("2 validation scans of 1 patient" if validated else "cross-validation over the annotated slices") in said
    assert f"{10 if validated else 8} masks" in ok("predict", liver)
    for path in sorted((liver / "predictions" / "masks").iterdir()):
        image = nib.load(path)
        scan = nib.load(next(folder for folder in (folders / "all" / "images").glob(path.name)))
        assert image.shape == scan.shape
        np.testing.assert_allclose(image.affine, scan.affine, atol=1e-4)
    drawn = kept_of(liver)
    for (case, z), labels in drawn.items():
        mask = np.asanyarray(nib.load(liver / "predictions" / "masks" / f"{case}.nii.gz").dataobj)
        np.testing.assert_array_equal(mask[:, :, z].T, labels)
    assert "40 slices of" in ok("export", liver)


def film(project: Path, data: Path, rounds: int) -> None:
    """Annotate a project on videos, and look at what it writes."""
    reader = READERS.build("davis")
    videos = {ref.case: reader.load(ref) for ref in reader.scan(data)}
    truth = {case: AS_STORED.write(video.mask) for case, video in videos.items()}
    for number in range(1, rounds + 1):
        ok("next", project)
        manifest = Manifest.read(project / f"round_0{number}")
        for scan in manifest.scans:  # every program can open what is asked: NIfTI, colours as grey
            image = nib.load(project / scan.image)
            np.testing.assert_allclose(
                AS_STORED.read(image.get_fdata()), videos[scan.case].image.mean(axis=3), rtol=1e-5
            )
        annotate(project / f"round_0{number}", truth, ("itksnap", "slicer", "mitk")[number % 3])
        ok("take", project)
    for (case, z), labels in kept_of(project).items():
        np.testing.assert_array_equal(labels, videos[case].mask[z])
    ok("status", project)
    ok("predict", project)
    for path in (project / "predictions" / "masks").iterdir():
        assert AS_STORED.read(np.asanyarray(nib.load(path).dataobj)).shape == videos[path.name[:-7]].mask.shape
    ok("export", project)


FILM = (*FAST, "split=random")


@pytest.mark.slow
def test_videos(tmp_path: Path) -> None:
    names = ["ant", "bee", "cat", "dog", "eel"]
    for name in names:
        write_sequence(tmp_path / "data" / "DAVIS", name)
    write_lists(tmp_path / "data" / "DAVIS", "480p", names, [])
    own = ["--recipe", "random", "--batch", "4", *sets(*FILM)]
    ok("new", tmp_path / "film", "--dataset", "davis", "--data", tmp_path / "data", *own)
    film(tmp_path / "film", tmp_path / "data", 1)


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.timeout(1500)
@pytest.mark.skipif("ALSEG_DAVIS" not in os.environ, reason="set ALSEG_DAVIS to the folder of the DAVIS data")
def test_videos_of_davis(tmp_path: Path) -> None:
    data = Path(os.environ["ALSEG_DAVIS"])
    own = ["--recipe", "entropy", "--batch", "5", *sets(*FILM)]
    ok("new", tmp_path / "film", "--dataset", "davis", "--data", data, *own)
    film(tmp_path / "film", data, 2)
