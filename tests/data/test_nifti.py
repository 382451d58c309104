from __future__ import annotations

import gzip

import nibabel
import numpy as np
import pytest

from alseg_core.data.nifti import read_image, read_labels, stored_labels
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
    labels = read_labels(tmp_path / "a.nii.gz", (0, 1, 2, 3))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, array)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.5, r"not a whole number: 1\.5\. Were the labels interpolated"),
        (0.98823535, r"not a whole number: 0\.988235\."),
        (0.998, r"not a whole number: 0\.998\."),
        (2.9999998, r"unknown label value 2\.9999998; known: 0, 1"),
        (300.49999, "not a whole number: 300.5"),
        (np.nan, "not a whole number: nan"),
        (np.inf, "not a whole number: inf"),
        (-1, "unknown label value -1; known: 0, 1"),
        (2, "unknown label value 2; known: 0, 1"),
    ],
)
def test_bad_labels(tmp_path, write_volume, value, words):
    array = np.zeros((2, 3, 4), np.float32)
    array[1, 1, 1] = value
    write_volume(tmp_path / "bad_gt.nii.gz", array)
    with pytest.raises(DataError, match=words) as caught:
        read_labels(tmp_path / "bad_gt.nii.gz", (0, 1))
    assert "bad_gt.nii.gz" in str(caught.value)


@pytest.mark.parametrize("value", [0.9999, 1.0009, np.nextafter(np.float32(1), np.float32(0))])
def test_labels_that_were_rounded_are_the_values_that_they_are_next_to(tmp_path, write_volume, value):
    array = np.zeros((2, 3, 4), np.float32)
    array[1, 1, 1] = value
    write_volume(tmp_path / "a.nii.gz", array)
    labels = read_labels(tmp_path / "a.nii.gz", (0, 1, 2))
    assert labels[1, 1, 1] == 1 and labels.sum() == 1


def test_labels_stored_with_a_slope_are_whole_numbers(tmp_path):
    stored = np.array([0, 32767, 16384, 0], np.int16).reshape(4, 1, 1)
    file = nibabel.Nifti1Image(stored, np.eye(4))
    file.header.set_slope_inter(2 / 32767, 0)
    nibabel.save(file, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.nii.gz", (0, 1, 2)).ravel(), [0, 2, 1, 0])


def test_stored_values_stand_for_class_numbers(tmp_path, write_volume):
    array = np.array([0, 200, 500, 600], np.int16).reshape(2, 2, 1)
    write_volume(tmp_path / "a.nii.gz", array)
    np.testing.assert_array_equal(
        read_labels(tmp_path / "a.nii.gz", {0: 0, 600: 1, 200: 2, 500: 255}).ravel(), [0, 2, 255, 1]
    )


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


def test_stored_labels_are_whole_numbers_of_any_type(tmp_path, write_volume):
    path = tmp_path / "labels.nii.gz"
    array = np.zeros((2, 3, 4), np.float32)
    write_volume(path, array)
    assert stored_labels(path) == ((0,), None)
    array[0, 0, :3] = 500, -1, 2.0004
    write_volume(path, array)
    assert stored_labels(path) == ((-1, 0, 2, 500), ((0, 2), (0, 0), (0, 0)))
    for wrong in (0.5, np.nan, np.inf):
        array[1, 1, 1] = wrong
        write_volume(path, array)
        with pytest.raises(DataError, match="not a whole number"):
            stored_labels(path)
