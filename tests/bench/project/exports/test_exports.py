"""Exports read back by programs that know nothing of this one."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from alseg_core.errors import ConfigError, DataError, ResultsError
from alseg_core.vocabulary import AS_STORED, StoredAxes
from bench.project.exports import ExportedScan, export_nifti, export_nnunet
from bench.project.exports.exported import safe_names
from tests.bench.project.exports.conftest import CLASSES, CORONAL, Written

Make = Callable[..., Written]


def expected(written: Written, unknown: int) -> np.ndarray:
    """The label volume as stored, voxel by voxel from the meaning of the axes."""
    out = np.full((6, 7, 5), unknown)
    for z, labels in written.exported.labels.items():
        for (row, column), value in np.ndenumerate(labels):
            if value == 255:
                continue
            if written.exported.scan.axes == AS_STORED:
                out[column, row, z] = value
            else:  # CORONAL
                out[column, 7 - 1 - z, 5 - 1 - row] = value
    return out


@pytest.mark.parametrize("axes", [AS_STORED, CORONAL])
@pytest.mark.parametrize(("file", "trailing", "second"), [("", 0, False), ("P1.nii", 1, False), ("", 2, True)])
def test_nnunet_gets_unchanged_voxels_and_labels_on_their_grid(
    axes: StoredAxes, file: str, trailing: int, second: bool, make_scan: Make, tmp_path: Path
) -> None:
    written = make_scan(axes=axes, file=file, trailing=trailing, second=second)
    out = export_nnunet(tmp_path / "raw", "Heart", [written.exported], CLASSES, "CT", project=tmp_path)
    assert out == tmp_path / "raw" / "Dataset500_Heart"
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()) == [
        "annotated.csv",
        "dataset.json",
        "imagesTr/P1_0000.nii.gz",
        "labelsTr/P1.nii.gz",
        "splits_final.json",
    ]
    image, labels = (SimpleITK.ReadImage(out / name) for name in ("imagesTr/P1_0000.nii.gz", "labelsTr/P1.nii.gz"))
    assert np.array_equal(SimpleITK.GetArrayFromImage(image), written.voxels.T)
    assert np.array_equal(SimpleITK.GetArrayFromImage(labels), expected(written, unknown=3).T)
    assert labels.GetPixelIDTypeAsString() == "8-bit unsigned integer"
    for fact in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(image, fact)() == getattr(labels, fact)()
    corner = np.array(image.TransformIndexToPhysicalPoint((5, 0, 4))) * (-1, -1, 1)  # LPS -> RAS
    assert corner == pytest.approx((written.affine @ [5, 0, 4, 1])[:3], abs=1e-4)
    assert json.loads((out / "dataset.json").read_text()) == {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "wall": 1, "cavity": 2, "ignore": 3},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }


def test_a_compressed_image_is_copied_byte_for_byte(make_scan: Make, tmp_path: Path) -> None:
    written = make_scan()
    out = export_nnunet(tmp_path, "Heart", [written.exported], CLASSES, project=tmp_path)
    assert (out / "imagesTr" / "P1_0000.nii.gz").read_bytes() == written.path.read_bytes()


@pytest.mark.parametrize("axes", [AS_STORED, CORONAL])
def test_plain_files_hold_255_where_nobody_annotated(axes: StoredAxes, make_scan: Make, tmp_path: Path) -> None:
    written = make_scan(axes=axes)
    out = export_nifti(tmp_path / "labels", [written.exported], CLASSES, project=tmp_path)
    labels = nibabel.load(out / "P1.nii.gz")
    assert np.array_equal(np.asanyarray(labels.dataobj), expected(written, unknown=255))
    assert labels.get_data_dtype() == np.uint8
    assert labels.affine == pytest.approx(nibabel.load(written.path).affine)
    assert json.loads((out / "classes.json").read_text()) == {
        "0": "background",
        "1": "wall",
        "2": "cavity",
        "255": "not annotated",
    }
    export_nifti(out, [written.exported], CLASSES, project=tmp_path)  # once more, over the files before


def test_plain_labels_of_an_image_of_another_format_lie_where_the_scan_does(make_scan: Make, tmp_path: Path) -> None:
    written = make_scan()
    other = ExportedScan(dataclasses.replace(written.exported.scan, image="scans/P1.nrrd"), written.exported.labels)
    image = SimpleITK.ReadImage(written.path)
    SimpleITK.WriteImage(image, tmp_path / "scans" / "P1.nrrd")
    out = export_nifti(tmp_path / "labels", [other], CLASSES, project=tmp_path)
    labels = SimpleITK.ReadImage(out / "P1.nii.gz")
    assert np.array_equal(SimpleITK.GetArrayFromImage(labels), expected(written, unknown=255).T)
    for fact in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(labels, fact)() == pytest.approx(getattr(image, fact)(), abs=1e-5)
    with pytest.raises(DataError, match=r"P1\.nrrd: nnU-Net gets NIfTI files .* convert the image"):
        export_nnunet(tmp_path, "Heart", [other], CLASSES, project=tmp_path)
    assert not list(tmp_path.glob("Dataset*"))


def test_the_table_says_where_each_annotated_slice_is_in_its_file(make_scan: Make, tmp_path: Path) -> None:
    written, untouched = make_scan("P1_ED", axes=CORONAL), make_scan("P2")
    bare = ExportedScan(untouched.exported.scan, {})
    out = export_nnunet(tmp_path, "Heart", [bare, written.exported], CLASSES, project=tmp_path)
    assert not list(out.rglob("*P2*"))
    with (out / "annotated.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["z"] for row in rows] == ["1", "3"]
    assert [(row["stored_axis"], row["stored_index"]) for row in rows] == [("1", "5"), ("1", "3")]
    assert {(row["case"], row["patient"], row["file"]) for row in rows} == {("P1_ED", "P1", "P1_ED.nii.gz")}
    stored = np.asanyarray(nibabel.load(out / "labelsTr" / "P1_ED.nii.gz").dataobj)
    for row in rows:
        plane = stored.take(int(row["stored_index"]), axis=int(row["stored_axis"]))
        assert int(row["pixels"]) == plane.size
        assert int(row["marked"]) == (plane != 3).sum()
        for value, name in enumerate(CLASSES):
            assert int(row[f"pixels_{name}"]) == (plane == value).sum()


def test_folds_never_part_a_patient(make_scan: Make, tmp_path: Path) -> None:
    names = ["P1_a", "P1_b", "P1_c", "P2_a", "P3_a", "P4_a", "P4_b", "P5_a", "P6_a", "P7_a"]
    scans = [make_scan(name).exported for name in names]
    out = export_nnunet(tmp_path, "Heart", scans, CLASSES, project=tmp_path)
    folds = json.loads((out / "splits_final.json").read_text())
    assert [sorted(fold) for fold in folds] == [["train", "val"]] * 5
    assert sorted(name for fold in folds for name in fold["val"]) == names  # each scan validates once
    for fold in folds:
        assert sorted(fold["train"] + fold["val"]) == names
        assert not {name[:2] for name in fold["train"]} & {name[:2] for name in fold["val"]}
    assert sorted(len(fold["val"]) for fold in folds) == [1, 2, 2, 2, 3]
    two = export_nnunet(tmp_path, "Two", scans[:4], CLASSES, number=501, project=tmp_path)
    assert [fold["val"] for fold in json.loads((two / "splits_final.json").read_text())] == [names[:3], ["P2_a"]]


def test_names_of_cases_become_file_names(make_scan: Make, tmp_path: Path) -> None:
    assert safe_names(["a/b", "a b", "A_B", "é", "../x", "-1", "ok_0000"]) == {
        "a/b": "a_b",
        "a b": "a_b_2",
        "A_B": "A_B_3",
        "é": "case",
        "../x": "x",
        "-1": "1",
        "ok_0000": "ok_0000",
    }
    written = make_scan("p1/week 2")
    out = export_nnunet(tmp_path, "Heart", [written.exported], CLASSES, project=tmp_path)
    assert (out / "labelsTr" / "p1_week_2.nii.gz").is_file()
    with pytest.raises(DataError, match="two scans are called 'p1/week 2'"):
        export_nifti(tmp_path, [written.exported, written.exported], CLASSES, project=tmp_path)


def test_labels_that_do_not_fit_are_refused(make_scan: Make, tmp_path: Path) -> None:
    exported = make_scan().exported

    def refused(labels: dict[int, np.ndarray], match: str) -> None:
        with pytest.raises(DataError, match=match):
            export_nifti(tmp_path / "out", [ExportedScan(exported.scan, labels)], CLASSES, project=tmp_path)

    refused({5: exported.labels[1]}, "P1, slice 5: the scan has slices 0 to 4")
    refused({1: exported.labels[1].T}, r"P1, slice 1: labels of shape \(7, 6\) were wanted, got \(6, 7\)")
    refused({1: exported.labels[1] + np.uint8(2)}, "P1, slice 1: unknown class 3, 4; known: 0 to 2, and 255")
    refused({}, "none of 1 scans has an annotated slice")


def test_images_that_do_not_fit_are_refused_and_leave_nothing(make_scan: Make, tmp_path: Path) -> None:
    written = make_scan()

    def refused(match: str) -> None:
        with pytest.raises(DataError, match=match):
            export_nnunet(tmp_path, "Heart", [written.exported], CLASSES, project=tmp_path)
        assert not list(tmp_path.glob("Dataset*"))

    nibabel.save(nibabel.Nifti1Image(np.zeros((6, 7, 4), np.uint8), np.eye(4)), written.path)
    refused("has 6 x 7 x 4 voxels, and had 6 x 7 x 5 when the project was started")
    written.path.write_bytes(gzip.compress(b"no image"))
    refused("not a readable NIfTI file")
    written.path.unlink()
    refused("the scan of P1 is not there")


def test_names_and_numbers_that_nnunet_does_not_take(make_scan: Make, tmp_path: Path) -> None:
    exported = make_scan().exported
    with pytest.raises(ConfigError, match="letters, digits and underscores was wanted, got 'my heart'"):
        export_nnunet(tmp_path, "my heart", [exported], CLASSES)
    with pytest.raises(ConfigError, match="is 1 to 999, got 1000"):
        export_nnunet(tmp_path, "Heart", [exported], CLASSES, number=1000)
    with pytest.raises(ConfigError, match="'ignore' a meaning of its own"):
        export_nnunet(tmp_path, "Heart", [exported], ("background", "wall", "ignore"))
    with pytest.raises(ConfigError, match="different names were wanted"):
        export_nifti(tmp_path, [exported], ("background", "wall", "wall"))
    export_nnunet(tmp_path, "Heart", [exported], CLASSES, number=7, project=tmp_path)
    with pytest.raises(ResultsError, match="has Dataset007_Heart already.*move it away, or choose another number"):
        export_nnunet(tmp_path, "Lung", [exported], CLASSES, number=7, project=tmp_path)


def test_a_former_export_is_replaced_and_nothing_else_is(make_scan: Make, tmp_path: Path) -> None:
    first, second = make_scan("P1").exported, make_scan("P2").exported
    one, both = [first], [first, second]
    export_nnunet(tmp_path, "Heart", one, CLASSES, project=tmp_path)
    fewer = ExportedScan(first.scan, {1: first.labels[1]})
    out = export_nnunet(tmp_path, "Heart", [fewer, second], CLASSES, project=tmp_path)
    assert json.loads((out / "dataset.json").read_text())["numTraining"] == 2
    stored = np.asanyarray(nibabel.load(out / "labelsTr" / "P1.nii.gz").dataobj)
    assert (stored[:, :, 3] == 3).all() and (stored[:, :, 1] != 3).any()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("Dataset")] == [out.name]
    # scans of another project, and files of the user, stay
    with pytest.raises(ResultsError, match="no former export of this project"):
        export_nnunet(tmp_path, "Heart", [make_scan("P3").exported], CLASSES, project=tmp_path)
    (out / "imagesTs").mkdir()
    with pytest.raises(ResultsError, match="no former export of this project as it was written; move it away"):
        export_nnunet(tmp_path, "Heart", both, CLASSES, project=tmp_path)
    assert json.loads((out / "dataset.json").read_text())["numTraining"] == 2


def test_plain_files_appear_together(make_scan: Make, tmp_path: Path) -> None:
    first, second = make_scan("P1"), make_scan("P2")
    out = export_nifti(tmp_path / "labels", [first.exported], CLASSES, project=tmp_path)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    changed = ExportedScan(first.exported.scan, {1: first.exported.labels[3]})
    second.path.unlink()
    with pytest.raises(DataError, match="the scan of P2 is not there"):
        export_nifti(out, [changed, second.exported], CLASSES, project=tmp_path)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
