from __future__ import annotations

import gzip

import nibabel
import numpy as np
import pytest

from alseg_core.data.nifti import read_image, read_labels
from alseg_core.errors import DataError


def test_axis_order_and_spacing(tmp_path, write_volume):
    array = np.arange(2 * 3 * 5, dtype=np.int16).reshape(2, 3, 5)
    write_volume(tmp_path / "a.nii.gz", array, (8.0, 1.5, 1.25))
    image, spacing = read_image(tmp_path / "a.nii.gz")
    assert image.dtype == np.float32
    assert spacing == (8.0, 1.5, 1.25)
    np.testing.assert_array_equal(image, array)


def test_labels_stored_as_float_are_read_as_uint8(tmp_path, write_volume):
    array = (np.arange(24) % 4).reshape(2, 3, 4)
    write_volume(tmp_path / "a.nii.gz", array.astype(np.float32))
    labels, _ = read_labels(tmp_path / "a.nii.gz", (0, 1, 2, 3))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, array)


@pytest.mark.parametrize(("value", "words"), [(1.5, "whole numbers"), (np.nan, "whole numbers"), (-1, "unknown label")])
def test_bad_labels(tmp_path, write_volume, value, words):
    array = np.zeros((2, 3, 4), np.float32)
    array[1, 1, 1] = value
    write_volume(tmp_path / "bad_gt.nii.gz", array)
    with pytest.raises(DataError, match=words) as caught:
        read_labels(tmp_path / "bad_gt.nii.gz", (0, 1))
    assert "bad_gt.nii.gz" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a scan at all", b"\x1f\x8b\x08\x00" + b"\x00" * 40])
@pytest.mark.parametrize("name", ["x.nii.gz", "x.nii"])
def test_not_a_scan(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        read_image(tmp_path / name)


def test_every_truncation_is_a_data_error(tmp_path, write_volume):
    write_volume(tmp_path / "a.nii.gz", np.random.default_rng(0).integers(0, 999, (4, 20, 20)).astype(np.int16))
    whole = (tmp_path / "a.nii.gz").read_bytes()
    for cut in (1, 10, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "a.nii.gz").write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"a\.nii\.gz"):
            read_image(tmp_path / "a.nii.gz")
    plain = gzip.decompress(whole)
    for cut in (3, 200, 400, len(plain) - 1):
        (tmp_path / "a.nii").write_bytes(plain[:cut])
        with pytest.raises(DataError, match=r"a\.nii"):
            read_image(tmp_path / "a.nii")


def test_damaged_bytes_are_noticed(tmp_path, write_volume):
    write_volume(tmp_path / "a.nii.gz", np.random.default_rng(0).integers(0, 999, (4, 20, 20)).astype(np.int16))
    whole = bytearray((tmp_path / "a.nii.gz").read_bytes())
    for at in range(len(whole) // 2, len(whole), 97):
        damaged = bytearray(whole)
        damaged[at] ^= 16
        (tmp_path / "a.nii.gz").write_bytes(damaged)
        with pytest.raises(DataError, match=r"a\.nii\.gz"):
            read_image(tmp_path / "a.nii.gz")


def test_scaled_integers_and_the_second_version(tmp_path):
    stored = np.arange(24, dtype=np.int16).reshape(4, 3, 2)
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        file = kind(stored, np.eye(4))
        file.header.set_slope_inter(2, -5)
        nibabel.save(file, tmp_path / "a.nii.gz")
        expected = nibabel.load(tmp_path / "a.nii.gz").get_fdata().transpose(2, 1, 0)
        assert expected.max() == 2 * 23 - 5
        np.testing.assert_allclose(read_image(tmp_path / "a.nii.gz")[0], expected)


def test_missing(tmp_path):
    with pytest.raises(DataError, match="gone.nii.gz: file not found"):
        read_image(tmp_path / "gone.nii.gz")
