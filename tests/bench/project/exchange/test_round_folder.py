"""Writing a folder twice, completing one, and what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from alseg_core.errors import ConfigError, DataError, ResultsError
from bench.project.exchange import write_round
from bench.project.manifest import Manifest
from tests.bench.project.exchange.small_projects import BARE, FIRST, OBLIQUE, Project


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder(project: Callable[..., Project]) -> None:
    made = project(cases=(OBLIQUE,))
    files = write_round(made.round, made.manifest, made.folder, made.labels(), copy_images=True)
    assert Manifest.read(made.round) == made.manifest
    written = {
        "manifest.json",
        "README.txt",
        "worklist.csv",
        "contact_sheet.png",
        "contact_sheet.html",
        "prefill.npz",
        f"images/{OBLIQUE}.nii.gz",
        f"segmentations/{OBLIQUE}.nii.gz",
        "itksnap/labels.txt",
        f"itksnap/{OBLIQUE}.itksnap",
        f"slicer/{OBLIQUE}.mrk.json",
        "slicer/cases.csv",
        "mitk/tasks.json",
        "mitk/labels.json",
    }
    assert set(contents(made.round)) == written
    assert sorted(files) == sorted(made.round / name for name in written)


def test_a_second_call_changes_nothing(project: Callable[..., Project]) -> None:
    made = project()
    files = write_round(made.round, made.manifest, made.folder, made.labels(), copy_images=True)
    drawn = made.round / "segmentations" / f"{FIRST}.nii.gz"
    labels = nibabel.load(drawn)
    nibabel.save(nibabel.Nifti1Image(np.ones(labels.shape, np.uint8), labels.affine), drawn)
    for name in ("worklist.csv", f"slicer/{FIRST}.mrk.json", f"itksnap/{FIRST}.itksnap"):
        with (made.round / name).open("a", encoding="utf-8") as file:
            file.write("annotator's\n")
    before = contents(made.round)
    again = write_round(made.round, made.manifest, made.folder, made.labels(), copy_images=True)
    assert contents(made.round) == before
    assert again == files


def test_what_a_kill_left_out_is_written(project: Callable[..., Project]) -> None:
    made = project()
    write_round(made.round, made.manifest, made.folder, made.labels(), copy_images=True)
    before = contents(made.round)
    for name in before:
        if name not in {"manifest.json", "prefill.npz"}:
            (made.round / name).unlink()
    (made.round / "worklist.csv.tmp").write_text("half a li")
    write_round(made.round, made.manifest, made.folder, made.labels(), copy_images=True)
    assert contents(made.round) == before


def test_a_folder_of_another_round(project: Callable[..., Project]) -> None:
    made = project()
    write_round(made.round, made.manifest, made.folder, thumbnails=False)
    with pytest.raises(ResultsError, match="holds another round"):
        write_round(made.round, dataclasses.replace(made.manifest, round=1), made.folder)


def test_a_folder_of_something_else(project: Callable[..., Project]) -> None:
    made = project()
    with pytest.raises(ResultsError, match="holds no round, but 'scans'"):
        write_round(made.folder, made.manifest, made.folder)
    file = made.folder / "file"
    file.touch()
    with pytest.raises(ResultsError, match="is no folder"):
        write_round(file, made.manifest, made.folder)
    with pytest.raises(ResultsError, match="cannot be written"):
        write_round(file / "round", made.manifest, made.folder)


def test_scans_that_are_gone_or_others(project: Callable[..., Project]) -> None:
    made = project()
    path = made.image(BARE)
    path.rename(path.with_suffix(".away"))
    with pytest.raises(DataError, match="the scan of bare is not there"):
        write_round(made.round, made.manifest, made.folder)
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.eye(4)), path)
    with pytest.raises(DataError, match="has 3 x 4 x 5 voxels, and had 8 x 9 x 5"):
        write_round(made.round, made.manifest, made.folder)
    path.write_bytes(b"\x1f\x8bno archive")
    with pytest.raises(DataError, match="not a readable NIfTI file"):
        write_round(made.round, made.manifest, made.folder)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="bare.nii.gz"):
        write_round(made.round, made.manifest, made.folder)
    assert not made.round.exists()


@pytest.mark.parametrize("name", ["a/b", "..", "a:b", "a?", ".hidden", "end.", "end ", ""])
def test_cases_that_cannot_name_files(project: Callable[..., Project], name: str) -> None:
    made = project(cases=(BARE,))
    manifest = dataclasses.replace(
        made.manifest,
        scans=(dataclasses.replace(made.manifest.scans[0], case=name),),
        slices=(dataclasses.replace(made.manifest.slices[0], case=name),),
    )
    with pytest.raises(DataError, match="cannot be the name of a file everywhere"):
        write_round(made.round, manifest, made.folder)


def test_cases_that_differ_by_capitals(project: Callable[..., Project]) -> None:
    made = project(cases=(BARE,))
    scan = made.manifest.scans[0]
    manifest = dataclasses.replace(made.manifest, scans=(scan, dataclasses.replace(scan, case="BARE")))
    with pytest.raises(DataError, match="'bare' and 'BARE' differ by capital letters"):
        write_round(made.round, manifest, made.folder)


def test_nothing_is_asked(project: Callable[..., Project]) -> None:
    made = project(slices=())
    with pytest.raises(ConfigError, match="at least one slice"):
        write_round(made.round, made.manifest, made.folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"case": "bane"}, "asked of unknown case 'bane'. Did you mean 'bare'?"),
        ({"z": 5}, "slice 5 of bare is asked, whose slices are numbered 0 to 4"),
        ({"z": -1}, "slice -1 of bare is asked"),
        ({"rank": 2}, "slice 2 of bare is asked twice"),
    ],
)
def test_slices_that_there_are_not(project: Callable[..., Project], change: dict[str, Any], message: str) -> None:
    made = project(cases=(BARE,))
    (asked,) = made.manifest.slices
    manifest = dataclasses.replace(made.manifest, slices=(asked, dataclasses.replace(asked, **change)))
    with pytest.raises(DataError, match=message):
        write_round(made.round, manifest, made.folder)
    assert not made.round.exists()
