"""Points, landmarks and the worklist name the slice that the program chose, and its place as ITK finds it."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import nibabel
import numpy as np
import pytest
import SimpleITK

from bench.project.exchange import write_round
from tests.bench.project.exchange.small_projects import BARE, FIRST, OBLIQUE, SHAPES, Project, scan_of
from tests.bench.project.exchange.workspaces import entries, inside


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "worklist.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def centres(image: SimpleITK.Image, row: dict[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Continuous index and position (left, posterior, superior) of the centre of a slice, by ITK."""
    index = [(length - 1) / 2 for length in image.GetSize()]
    index["ijk".index(row["axis"])] = float(row["index"])
    return np.array(index), np.array(image.TransformContinuousIndexToPhysicalPoint(index))


@pytest.mark.parametrize("copied", [False, True])
def test_every_program_gets_the_slice_and_its_centre(project: Callable[..., Project], copied: bool) -> None:
    made = project()
    write_round(made.round, made.manifest, made.folder, copy_images=copied, thumbnails=False)
    rows = rows_of(made.round)
    assert [int(row["rank"]) for row in rows] == [1, 2, 3, 4, 5]
    assert [(row["case"], int(row["z"])) for row in rows] == [(asked.case, asked.z) for asked in made.manifest.slices]
    for row in rows:
        case = row["case"]
        image = SimpleITK.ReadImage(str(made.image(case)))
        stored = SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0)  # (i, j, k)
        slice_ = np.take(stored, int(row["index"]), axis="ijk".index(row["axis"]))
        np.testing.assert_array_equal(slice_, 10 * int(row["z"]) + 1)
        assert int(row["itksnap_slice"]) == int(row["index"]) + 1
        index, lps = centres(image, row)
        # the header holds single precision
        np.testing.assert_allclose(
            [float(row[f"{name}_mm"]) for name in ("left", "posterior", "superior")], lps, atol=2e-3
        )
        np.testing.assert_allclose([float(row[f"{name}_mm"]) for name in ("right", "anterior")], -lps[:2], atol=2e-3)

        points = json.loads((made.round / "slicer" / f"{case}.mrk.json").read_text(encoding="utf-8"))["markups"][0]
        assert (points["type"], points["coordinateSystem"]) == ("Fiducial", "LPS")
        (point,) = [point for point in points["controlPoints"] if point["id"] == row["rank"]]
        assert point["label"] == f"{row['rank']} z{row['z']} {row['why']}"
        np.testing.assert_allclose(point["position"], lps, atol=1e-3)

        root = ElementTree.parse(made.round / "itksnap" / f"{case}.itksnap").getroot()
        found = inside(root, "Annotations", "Annotations")
        landmarks = [entries(child) for child in found.findall("folder")]
        assert int(entries(found)["ArraySize"]) == len(landmarks) == len(made.manifest.wanted(case))
        (landmark,) = [landmark for landmark in landmarks if landmark["Text"] == f"{row['rank']}: {row['why']}"]
        assert landmark["Plane"] == str("ijk".index(row["axis"]))
        np.testing.assert_allclose(np.array(landmark["Pos"].split(), float) - 0.5, index)


def test_planes(project: Callable[..., Project]) -> None:
    made = project()
    write_round(made.round, made.manifest, made.folder, thumbnails=False)
    assert {row["case"]: row["plane"] for row in rows_of(made.round)} == {OBLIQUE: "axial", FIRST: "coronal", BARE: ""}


@pytest.mark.parametrize("form", ["sform", "qform"])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1)])
def test_a_header_that_claims_an_identity(
    project: Callable[..., Project], form: str, signs: tuple[int, int, int]
) -> None:
    made = project(cases=(BARE,))
    path = made.image(BARE)
    file = nibabel.load(path)
    header, stored = file.header.copy(), np.asarray(file.dataobj)
    pixdim = header["pixdim"].copy()
    getattr(header, f"set_{form}")(np.diag([*signs, 1.0]), 1)
    header["pixdim"][1:4] = pixdim[1:4]
    nibabel.save(nibabel.Nifti1Image(stored, None, header), path)
    scan = scan_of(path, BARE, "")
    assert (scan.affine is None) == (form == "sform")  # a qform has no steps of its own that could contradict
    manifest = dataclasses.replace(
        made.manifest, scans=(dataclasses.replace(scan, image=made.manifest.scans[0].image),)
    )
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)  # it complains about the scale of an sform
    try:
        image = SimpleITK.ReadImage(str(path))
    finally:
        SimpleITK.ProcessObject.SetGlobalWarningDisplay(True)
    assert image.GetSize() == SHAPES[BARE]
    write_round(made.round, manifest, made.folder, thumbnails=False)
    (point,) = json.loads((made.round / "slicer" / f"{BARE}.mrk.json").read_text())["markups"][0]["controlPoints"]
    np.testing.assert_allclose(point["position"], centres(image, rows_of(made.round)[0])[1], atol=1e-4)
