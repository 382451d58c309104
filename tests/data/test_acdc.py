from __future__ import annotations

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from alseg_core.data.readers import READERS


def test_cases_frames_and_attributes_come_from_the_files(tmp_path, write_acdc):
    write_acdc(tmp_path, patients=[89])
    write_acdc(tmp_path, patients=[90], frames=(4, 11))
    refs = READERS.build("acdc").scan(tmp_path)
    assert [ref.case for ref in refs] == ["patient089_ED", "patient089_ES", "patient090_ED", "patient090_ES"]
    assert [ref.files["image"].name for ref in refs[2:]] == ["patient090_frame04.nii.gz", "patient090_frame11.nii.gz"]
    assert refs[0].patient == "patient089"
    assert refs[0].group == "ED"
    assert refs[0].attributes == {"pathology": "RV"}


@pytest.mark.parametrize("below", ["", "database", "database/training"])
def test_root_may_be_any_of_the_upper_folders(tmp_path, write_acdc, below):
    write_acdc(tmp_path, patients=2)
    assert len(READERS.build("acdc").scan(tmp_path / below)) == 4


def test_training_and_testing_are_both_read(tmp_path, write_acdc):
    write_acdc(tmp_path, patients=[1])
    write_acdc(tmp_path, patients=[101], part="testing")
    assert {ref.patient for ref in READERS.build("acdc").scan(tmp_path)} == {"patient001", "patient101"}


def test_volume_is_in_one_axis_order_and_scribble_4_is_unmarked(tmp_path, write_acdc):
    reader = READERS.build("acdc")
    ref = reader.scan(write_acdc(tmp_path, patients=1))[0]
    volume = reader.load(ref)
    assert volume.image.shape == volume.mask.shape == volume.scribble.shape == (3, 30, 24)
    assert volume.image.dtype == np.float32
    assert volume.spacing_mm == (8.0, 1.5, 1.25)
    assert set(np.unique(volume.scribble)) == {0, 1, 2, 3, 255}
    marked = volume.scribble != 255
    np.testing.assert_array_equal(volume.scribble[marked], volume.mask[marked])
    np.testing.assert_array_equal(volume.mask[1, 8], [0] * 6 + [1] * 3 + [2] * 3 + [3] * 6 + [0] * 6)


def test_scribbles_are_optional(tmp_path, write_acdc):
    reader = READERS.build("acdc")
    ref = reader.scan(write_acdc(tmp_path, patients=1, scribbles=False))[0]
    assert reader.load(ref).scribble is None


@pytest.mark.real_data
@pytest.mark.skipif("ALSEG_ACDC" not in os.environ, reason="set ALSEG_ACDC to the folder of the ACDC data")
def test_all_real_volumes():
    reader = READERS.build("acdc")
    refs = [ref for ref in reader.scan(Path(os.environ["ALSEG_ACDC"])) if int(ref.patient[-3:]) <= 100]
    assert len(refs) == 200
    slices = 0
    for ref in refs:
        volume = reader.load(ref)
        slices += len(volume.image)
        width, height, _ = nibabel.load(ref.files["image"]).shape
        assert volume.image.shape[1:] == (height, width)
        assert volume.mask.shape == volume.image.shape
        assert 5 <= volume.spacing_mm[0] <= 10
        assert 0.7 <= volume.spacing_mm[1] <= 1.95
        if volume.scribble is not None:
            marked = volume.scribble != 255
            assert 0.002 < marked.mean() < 0.05
            assert (volume.scribble[marked] == volume.mask[marked]).mean() > 0.99
    assert slices == 1902
    by_case = {ref.case: ref for ref in refs}
    assert by_case["patient090_ED"].files["image"].name == "patient090_frame04.nii.gz"
    assert {ref.attributes["pathology"] for ref in refs} == {"DCM", "HCM", "MINF", "NOR", "RV"}
