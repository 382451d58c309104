from __future__ import annotations

import os
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest

from alseg_core.data.prepare import Prepare, prepare, verify
from alseg_core.data.prepared import Prepared
from alseg_core.data.readers import READERS
from alseg_core.errors import DataError
from alseg_core.store import Store
from tests.data.conftest import read_all

SHAPE, SPACING = (3, 20, 24), (5.0, 0.75, 0.75)


def anatomy(number):
    """Image and mask of a subject; the last slice holds no label, as at the base of some hearts."""
    image = np.random.default_rng(number).integers(0, 3000, SHAPE).astype(np.int16)
    mask = np.zeros(SHAPE, np.uint8)
    mask[:2, 5:15, 5:9], mask[:2, 5:15, 9:12], mask[:2, 5:15, 12 : 14 + number % 5] = 1, 2, 3
    return image, mask


def scribbled(mask):
    return np.where(np.arange(SHAPE[1])[:, None] == 8, mask, 4).astype(np.uint16)


@pytest.fixture
def prepared_form(tmp_path, write_volume):
    """Subjects 2 and 13 in train, 1 in val, 43 and 5 in TestSet."""
    for part, numbers in (("train", (2, 13)), ("val", (1,)), ("TestSet", (43, 5))):
        base = tmp_path / "MSCMR_dataset" / part
        (base / "images").mkdir(parents=True)
        (base / "labels").mkdir()
        for number in numbers:
            image, mask = anatomy(number)
            write_volume(base / "images" / f"subject{number}_DE.nii.gz", image, SPACING)
            kind, labels = ("scribble", scribbled(mask)) if part == "train" else ("manual", mask)
            write_volume(base / "labels" / f"subject{number}_DE_{kind}.nii.gz", labels, SPACING)
    return tmp_path


@pytest.fixture
def raw_form(tmp_path, write_volume):
    """Patients 2 and 13 as released: values 200, 500 and 600, images and labels in different folders."""
    for folder in ("lge_images", "lgegt", "c0t2"):
        (tmp_path / folder).mkdir()
    for number in (2, 13):
        image, mask = anatomy(number)
        write_volume(tmp_path / "lge_images" / f"patient{number}_LGE.nii.gz", image, SPACING)
        values = np.array([0, 600, 200, 500], np.int16)[mask]
        write_volume(tmp_path / "lgegt" / f"patient{number}_LGE_manual.nii.gz", values, SPACING)
        write_volume(tmp_path / "c0t2" / f"patient{number}_C0.nii.gz", image, SPACING)
    return tmp_path


def load(root):
    return read_all("mscmr", root)


def fails(root):
    with pytest.raises(DataError) as caught:
        load(root)
    return str(caught.value)


@pytest.mark.parametrize("below", ["", "MSCMR_dataset"])
def test_prepared_form(prepared_form, below):
    volumes = load(prepared_form / below)
    assert list(volumes) == sorted(f"subject{n}" for n in (1, 2, 5, 13, 43))
    for case, volume in volumes.items():
        image, mask = anatomy(int(case[7:]))
        np.testing.assert_array_equal(volume.image, image)
        assert (volume.patient, volume.group, volume.spacing_mm) == (case, "LGE", SPACING)
        if case in ("subject2", "subject13"):
            assert volume.mask is None
            np.testing.assert_array_equal(volume.scribble == 255, scribbled(mask) == 4)
            marked = volume.scribble != 255
            np.testing.assert_array_equal(volume.scribble[marked], mask[marked])
        else:
            assert volume.scribble is None
            np.testing.assert_array_equal(volume.mask, mask)
            assert not volume.mask[2].any()


def test_raw_form_has_the_same_cases_and_classes(raw_form):
    volumes = load(raw_form)
    assert list(volumes) == ["subject13", "subject2"]
    for case, volume in volumes.items():
        image, mask = anatomy(int(case[7:]))
        np.testing.assert_array_equal(volume.image, image)
        np.testing.assert_array_equal(volume.mask, mask)
        assert volume.mask.dtype == np.uint8
        assert volume.scribble is None


def test_raw_labels_stored_as_float(raw_form, write_volume):
    path = raw_form / "lgegt" / "patient2_LGE_manual.nii.gz"
    write_volume(path, np.array([0, 600, 200, 500], np.float64)[anatomy(2)[1]], SPACING)
    np.testing.assert_array_equal(load(raw_form)["subject2"].mask, anatomy(2)[1])


def test_geometry_comes_from_the_image(prepared_form):
    path = prepared_form / "MSCMR_dataset/TestSet/labels/subject43_DE_manual.nii.gz"
    stored = np.asarray(nibabel.load(path).dataobj)
    nibabel.save(nibabel.Nifti1Image(stored, np.diag([-1.0, 2, 3, 1])), path)
    volume = load(prepared_form)["subject43"]
    assert volume.spacing_mm == SPACING
    np.testing.assert_array_equal(volume.mask, anatomy(43)[1])


def test_labels_whose_header_names_other_axes_lie_on_the_grid_of_the_image(prepared_form):
    """As in some published files: voxel by voxel the arrays belong together, P, S, R against L, S, P."""
    base = prepared_form / "MSCMR_dataset/TestSet"
    axes = {"L": (-1, 0, 0), "R": (1, 0, 0), "P": (0, -1, 0), "S": (0, 0, 1)}
    for path, codes in (
        (base / "images/subject43_DE.nii.gz", "PSR"),
        (base / "labels/subject43_DE_manual.nii.gz", "LSP"),
    ):
        file = nibabel.load(path)
        affine = np.eye(4)
        affine[:3, :3] = np.stack([axes[code] for code in codes], axis=1) * file.header.get_zooms()
        assert "".join(nibabel.aff2axcodes(affine)) == codes
        nibabel.save(nibabel.Nifti1Image(np.asarray(file.dataobj), affine), path)
    volume, (image, mask) = load(prepared_form)["subject43"], anatomy(43)
    np.testing.assert_array_equal(volume.image, image)
    np.testing.assert_array_equal(volume.mask, mask)
    assert volume.spacing_mm == SPACING


@pytest.mark.parametrize("name", ["train", "val", "TestSet"])
def test_a_folder_of_that_name_may_hold_the_raw_form(raw_form, name):
    (raw_form / name / "images").mkdir(parents=True)
    (raw_form / "lge_images").rename(raw_form / name / "lge_images")
    assert list(load(raw_form)) == ["subject13", "subject2"]


def test_image_and_label_that_are_both_damaged_are_both_named(prepared_form):
    base = prepared_form / "MSCMR_dataset/train"
    paths = [base / "images/subject13_DE.nii.gz", base / "labels/subject13_DE_scribble.nii.gz"]
    for path in paths:
        path.write_bytes(b"no scan")
    message = fails(prepared_form)
    assert message.startswith("2 problems in case 'subject13'") and all(str(path) in message for path in paths)


def test_a_training_subject_may_have_both_kinds_of_labels(prepared_form, write_volume):
    path = prepared_form / "MSCMR_dataset/train/labels/subject2_DE_manual.nii.gz"
    write_volume(path, anatomy(2)[1], SPACING)
    volume = load(prepared_form)["subject2"]
    np.testing.assert_array_equal(volume.mask, anatomy(2)[1])
    assert (volume.scribble == 255).any()


def test_wrong_labels_are_named(prepared_form, write_volume):
    path = prepared_form / "MSCMR_dataset/val/labels/subject1_DE_manual.nii.gz"
    write_volume(path, anatomy(1)[1][:, :-1], SPACING)
    assert fails(prepared_form).startswith(f"{path}: shape (3, 19, 24) (z, y, x) differs from (3, 20, 24)")
    write_volume(path, scribbled(anatomy(1)[1]), SPACING)
    assert fails(prepared_form).startswith(f"{path}: unknown label value 4; known: 0, 1, 2, 3")


@pytest.mark.parametrize(("value", "shown"), [(2221, "2221"), (3, "3"), (456, "456")])  # 456 = 200 in eight bits
def test_wrong_raw_labels_are_named(raw_form, write_volume, value, shown):
    path = raw_form / "lgegt/patient13_LGE_manual.nii.gz"
    write_volume(path, np.full(SHAPE, value, np.int16), SPACING)
    assert fails(raw_form).startswith(f"{path}: unknown label value {shown}; known: 0, 200, 500, 600")


def test_missing_pairs_and_duplicates_are_one_error(prepared_form, write_volume):
    base = prepared_form / "MSCMR_dataset"
    (base / "train/labels/subject2_DE_scribble.nii.gz").unlink()
    (base / "val/labels/subject1_DE_manual.nii.gz").unlink()
    (base / "TestSet/images/subject5_DE.nii.gz").unlink()
    image, mask = anatomy(43)
    write_volume(base / "train/images/subject43_DE.nii.gz", image, SPACING)
    write_volume(base / "train/labels/subject43_DE_scribble.nii.gz", scribbled(mask), SPACING)
    message = fails(prepared_form)
    assert message.startswith("4 problems")
    assert f"{base}/train/labels/subject2_DE_scribble.nii.gz: file not found" in message
    assert f"{base}/val/labels/subject1_DE_manual.nii.gz: file not found" in message
    assert f"{base}/TestSet/images/subject5_DE.nii.gz: file not found" in message
    assert re.search("case 'subject43' exists twice: .*train/images.* and .*TestSet/images", message)


def test_scribbles_do_not_stand_in_for_test_masks(prepared_form):
    labels = prepared_form / "MSCMR_dataset/TestSet/labels"
    (labels / "subject5_DE_manual.nii.gz").rename(labels / "subject5_DE_scribble.nii.gz")
    assert fails(prepared_form).startswith(f"{labels}/subject5_DE_manual.nii.gz: file not found")


def test_raw_missing_pairs_and_duplicates_are_one_error(raw_form, write_volume):
    (raw_form / "lgegt/patient2_LGE_manual.nii.gz").unlink()
    write_volume(raw_form / "lgegt/patient7_LGE_manual.nii.gz", np.zeros(SHAPE, np.int16), SPACING)
    write_volume(raw_form / "patient13_LGE.nii.gz", anatomy(13)[0], SPACING)
    message = fails(raw_form)
    assert message.startswith("3 problems")
    assert "patient2_LGE_manual.nii.gz: not found below" in message
    assert f"{raw_form}/lge_images/patient2_LGE.nii.gz needs it" in message
    assert "patient7_LGE.nii.gz: not found below" in message
    assert "case 'subject13' exists twice" in message


def test_truncated(prepared_form):
    path = prepared_form / "MSCMR_dataset/train/images/subject13_DE.nii.gz"
    path.write_bytes(path.read_bytes()[:900])
    assert fails(prepared_form).startswith(f"{path}: not a readable NIfTI file, perhaps truncated")


@pytest.mark.parametrize("folder", ["", "MSCMR_dataset/train/images"])
def test_no_data(tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    message = fails(tmp_path)
    assert f"no subject was found at {tmp_path}" in message
    assert "subjectN_DE_scribble.nii.gz" in message
    assert "patientN_LGE_manual.nii.gz" in message
    assert "no folder was given" in fails(None)


def test_cases_without_masks_are_prepared(prepared_form, tmp_path):
    plan = Prepare(clip_percentile=None, normalise="zscore", spacing_mm=0.75, crop=24, size=32)
    folder = prepare(READERS.build("mscmr"), prepared_form, plan, Store(tmp_path / "store"))
    prepared = Prepared.open(folder)
    assert {c.case: (c.has_mask, c.has_scribble) for c in prepared.cases} == {
        **dict.fromkeys(("subject2", "subject13"), (False, True)),
        **dict.fromkeys(("subject1", "subject43", "subject5"), (True, False)),
    }
    masks, native = (np.load(folder / "labels" / name) for name in ("masks.npy", "native.npy"))
    for i, info in enumerate(prepared.cases):
        inside = masks[prepared.table.of_volume(i)]
        if info.has_mask:
            stored = native[info.native_offset :][: np.prod(SHAPE)].reshape(SHAPE)
            np.testing.assert_array_equal(stored, anatomy(int(info.patient[7:]))[1])
            assert set(np.unique(inside)) == {0, 1, 2, 3}
        else:
            assert info.native_offset is None
            assert (inside == 255).all()


@pytest.mark.real_data
@pytest.mark.skipif("ALSEG_MSCMR" not in os.environ, reason="set ALSEG_MSCMR to the folder of the MS-CMR data")
def test_all_real_subjects():
    reader = READERS.build("mscmr")
    refs = reader.scan(Path(os.environ["ALSEG_MSCMR"]))
    assert refs
    for ref in refs:
        volume = reader.load(ref)
        verify(volume, ref, reader.labels)
        width, height, depth = nibabel.load(ref.files["image"]).shape
        assert volume.image.shape == (depth, height, width)
        assert volume.spacing_mm[0] == pytest.approx(5, abs=1.5)
        assert 0.5 < volume.spacing_mm[1] < 1.5
        if volume.scribble is not None:
            assert 0.001 < (volume.scribble != 255).mean() < 0.1
            assert set(np.unique(volume.scribble)) == {0, 1, 2, 3, 255}
        if volume.mask is not None:
            assert set(np.unique(volume.mask)) == {0, 1, 2, 3}
            # the myocardium is dark, the blood in both cavities bright
            inside = [volume.image[volume.mask == label].mean() for label in (1, 2, 3)]
            assert inside[1] < min(inside[0], inside[2])
