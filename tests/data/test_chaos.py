from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from alseg_core.data.prepare import Prepare, prepare, verify
from alseg_core.data.prepared import Prepared
from alseg_core.data.readers import READERS
from alseg_core.errors import DataError
from alseg_core.store import Store

LIVER = 140
NAMES = {"philips": "i{:04d},0000b.dcm", "osirix": "IMG-0001-{:05d}.dcm", "bare": "{}.dcm"}


def write_dicom(path, hu, z, intercept=-1000.0, slope=1.0, spacing=(0.75, 0.7), series="1.2.3", implicit=True):
    """One CT slice with stored values (hu - intercept) / slope; signed where the intercept is 0."""
    signed = intercept == 0
    stored = np.round((hu - intercept) / slope).astype(np.int16 if signed else np.uint16)
    file = pydicom.Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = CTImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = generate_uid()
    file.Modality, file.SeriesInstanceUID = "CT", series
    file.ImagePositionPatient, file.ImageOrientationPatient = [-180, -170, z], [1, 0, 0, 0, 1, 0]
    file.PixelSpacing, file.SliceThickness = list(spacing), 3.2
    (file.Rows, file.Columns), file.SamplesPerPixel, file.PhotometricInterpretation = hu.shape, 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, int(signed)
    file.RescaleIntercept, file.RescaleSlope = intercept, slope
    file.PixelData = stored.tobytes()
    file.save_as(path, enforce_file_format=True)


def anatomy(depth=12, shape=(20, 24)):
    """HU and liver mask in the order of the file names: the liver drifts and shrinks, so that no order but one fits."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    mask = np.stack([np.hypot(y - 6 - k * 0.6, x - 8 - k * 0.5) < 6 - k * 0.3 for k in range(depth)])
    hu = np.where(mask, LIVER, -100 + np.arange(depth)[:, None, None]).astype(float)
    return hu, mask


def write_case(folder, names="philips", first=0, top=50.0, step=-2.0, ground=True, **kind):
    hu, mask = anatomy()
    (folder / "DICOM_anon").mkdir(parents=True)
    (folder / "Ground").mkdir()
    for k in range(len(hu)):
        write_dicom(folder / "DICOM_anon" / NAMES[names].format(first + k), hu[k], top + k * step, **kind)
        if ground:
            Image.fromarray(mask[k]).convert("1").save(folder / "Ground" / f"liver_GT_{first + k:03d}.png")
    return folder


def dicoms(folder):
    return sorted((folder / "DICOM_anon").iterdir())


def rewrite(path, **elements):
    file = pydicom.dcmread(path)
    for name, value in elements.items():
        if value is None:
            delattr(file, name)
        else:
            setattr(file, name, value)
    file.save_as(path)


def load(root):
    reader = READERS.build("chaos")
    return [reader.load(ref) for ref in reader.scan(root)]


def fails(root):
    with pytest.raises(DataError) as caught:
        load(root)
    return str(caught.value)


@pytest.fixture
def case(tmp_path):
    return write_case(tmp_path / "Train_Sets" / "CT" / "1")


@pytest.fixture
def root(case):
    return case.parents[2]


@pytest.mark.parametrize("above", ["CT", "Train_Sets/CT", "CHAOS_Train_Sets/CT", "CHAOS_Train_Sets/Train_Sets/CT"])
def test_root_may_be_any_of_the_upper_folders(tmp_path, above):
    for number in (10, 2, 1):
        write_case(tmp_path / above / str(number))
    (tmp_path / above / "readme").mkdir()
    for root in (tmp_path, *(tmp_path / "/".join(above.split("/")[: i + 1]) for i in range(above.count("/") + 1))):
        refs = READERS.build("chaos").scan(root)
        assert [ref.case for ref in refs] == ["ct_01", "ct_02", "ct_10"]
        assert [ref.patient for ref in refs] == ["ct_01", "ct_02", "ct_10"]
        assert {ref.group for ref in refs} == {"CT"}


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("step", [-2.0, 2.0])
def test_masks_pair_by_name_and_z_ascends(tmp_path, names, step):
    """Unpadded names too: 9 comes before 10. The HU inside the mask show whether the pairing is right."""
    hu, mask = anatomy()
    write_case(tmp_path / "7", names, first=3, step=step)
    (volume,) = load(tmp_path)
    up = slice(None, None, 1 if step > 0 else -1)
    np.testing.assert_array_equal(volume.image, hu[up])
    np.testing.assert_array_equal(volume.mask, mask[up])
    assert (volume.image.dtype, volume.mask.dtype) == (np.float32, np.uint8)
    assert (volume.image[volume.mask == 1] == LIVER).all()
    assert (volume.image[volume.mask[::-1] == 1] != LIVER).any()
    assert volume.spacing_mm == (2.0, 0.75, 0.7)  # 3.2 is the thickness


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize(("intercept", "slope"), [(-1000, 1), (-1024, 1), (-1200, 1), (0, 1), (-1024, 0.5)])
def test_every_file_is_rescaled_to_hounsfield_units(tmp_path, intercept, slope, implicit):
    write_case(tmp_path / "5", intercept=intercept, slope=slope, implicit=implicit)
    np.testing.assert_array_equal(load(tmp_path)[0].image, anatomy()[0][::-1])


def test_a_missing_rescale_means_stored_values(tmp_path):
    folder = write_case(tmp_path / "5", intercept=0)
    for path in dicoms(folder):
        rewrite(path, RescaleSlope=None, RescaleIntercept=None)
    np.testing.assert_array_equal(load(tmp_path)[0].image, anatomy()[0][::-1])


def test_masks_of_another_depth_of_bits_hold_the_same_labels(case, root):
    before = load(root)[0].mask
    for i, path in enumerate((case / "Ground").iterdir()):
        Image.open(path).convert("RGB" if i % 2 else "L").save(path)
    np.testing.assert_array_equal(load(root)[0].mask, before)
    assert set(np.unique(before)) == {0, 1}


def test_slightly_uneven_steps_and_a_series_a_file_are_accepted(case, root):
    for k, path in enumerate(dicoms(case)):
        rewrite(path, ImagePositionPatient=[0, 0, 50 - 2 * k + 0.1 * (k == 5)], SeriesInstanceUID=f"1.2.{k}")
    assert load(root)[0].spacing_mm[0] == pytest.approx(2.0)


def test_hidden_files_are_not_slices(case, root):
    (case / "DICOM_anon" / "._i0001,0000b.dcm").write_bytes(b"x")
    (case / "Ground" / "Thumbs.db").write_bytes(b"x")
    assert len(load(root)[0].image) == 12


@pytest.mark.parametrize("exists", [True, False])
def test_no_data(tmp_path, exists):
    if exists:
        (tmp_path / "CT" / "1" / "T1DUAL").mkdir(parents=True)
    message = fails(tmp_path)
    assert f"no patient folder was found at {tmp_path}" in message
    assert "liver_GT_NNN.png" in message
    assert "zenodo.org/records/3431873" in message
    assert "no folder was given" in fails(None)


def test_all_that_the_names_tell_is_one_error(tmp_path):
    write_case(tmp_path / "1")
    write_case(tmp_path / "01")
    next((write_case(tmp_path / "2") / "Ground").iterdir()).unlink()
    shutil.rmtree(write_case(tmp_path / "3") / "Ground")
    write_case(tmp_path / "4", ground=False)
    shutil.rmtree(write_case(tmp_path / "5") / "DICOM_anon")
    (tmp_path / "6").mkdir()
    message = fails(tmp_path)
    assert message.startswith("7 problems")
    assert "case 'ct_01' exists twice" in message
    assert f"{tmp_path / '1'}" in message
    assert f"{tmp_path / '01'}" in message
    assert f"{tmp_path / '2'}: 12 DICOM files and 11 masks" in message
    assert f"{tmp_path / '3' / 'Ground'}: folder not found" in message
    assert f"{tmp_path / '4' / 'Ground'}: no .png file in it" in message
    assert f"{tmp_path / '5' / 'DICOM_anon'}: folder not found" in message
    assert f"{tmp_path / '6' / 'DICOM_anon'}: folder not found" in message


@pytest.mark.parametrize("keep", [0, 5, 60, 0.5, 0.8])
def test_truncated_files_are_all_named(case, root, keep):
    damaged = [dicoms(case)[3], sorted((case / "Ground").iterdir())[4]]
    for path in damaged:
        content = path.read_bytes()
        path.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    message = fails(root)
    assert message.startswith("2 problems")
    assert f"{damaged[0]}: not a readable DICOM" in message
    assert f"{damaged[1]}: not a readable picture" in message


def test_no_dicom_at_all(case, root):
    dicoms(case)[0].write_bytes(b"not a scan" * 90)
    assert fails(root).startswith(f"{dicoms(case)[0]}: not a readable DICOM image")


def test_mask_of_another_shape(case, root):
    path = sorted((case / "Ground").iterdir())[2]
    Image.open(path).crop((0, 0, 20, 20)).save(path)
    message = fails(root)
    assert message.startswith(f"{path}: shape (20, 20) differs from (20, 24)")
    assert dicoms(case)[2].name in message


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"ImagePositionPatient": None}, "ImagePositionPatient, got none"),
        ({"PixelSpacing": None}, "PixelSpacing, got none"),
        ({"PixelSpacing": [0, 1]}, "two positive distances"),
        ({"PixelSpacing": [0.5, 0.5]}, r"pixel spacing \(0.5, 0.5\) differs"),
        ({"ImagePositionPatient": [-180, -170, 50]}, "at the same position, z = 50 mm"),
        ({"SeriesInstanceUID": "9.9"}, "2 series are mixed.*i0004"),
        ({"ImagePositionPatient": [-180, -170, 47]}, "z runs against the order of the file names at i0003"),
    ],
)
def test_headers_that_do_not_fit(case, root, elements, words):
    rewrite(dicoms(case)[4], **elements)
    message = fails(root)
    assert re.search(words, message)
    assert str(case) in message


def test_a_missing_slice_shows_in_the_positions(case, root):
    dicoms(case)[6].unlink()
    for k in range(7, 12):
        (case / "Ground" / f"liver_GT_{k:03d}.png").replace(case / "Ground" / f"liver_GT_{k - 1:03d}.png")
    assert "4 mm between i0005,0000b.dcm and i0007,0000b.dcm, 2 mm elsewhere" in fails(root)


def test_a_mask_and_the_last_slice_are_missing(case, root):
    """As many masks as slices, and the slices have no gap."""
    dicoms(case)[-1].unlink()
    (case / "Ground" / "liver_GT_006.png").unlink()
    message = fails(root)
    assert "no mask between liver_GT_005.png and liver_GT_007.png; masks pair with DICOM files in order" in message


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("liver_GT_010.png", "liver_GT_11.png", ": the same number as liver_GT_"),
        ("liver_GT_000.png", "liver.png", "liver.png: no number in its name"),
    ],
)
def test_masks_whose_numbers_do_not_count_slices(case, root, old, new, words):
    (case / "Ground" / old).rename(case / "Ground" / new)
    assert words in fails(root)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_masks_of_several_organs_are_no_liver(case, root, mode):
    path = case / "Ground" / "liver_GT_004.png"
    grey = np.array(Image.open(path).convert("L"))
    grey[grey > 0] = 63
    grey[:2, :8] = np.repeat([126, 189, 252, 0], 2)
    Image.fromarray(grey).convert(mode).save(path)
    message = fails(root)
    each = ["63", "126", "189", "252"] if mode == "L" else [f"{v}/{v}/{v}" for v in (63, 126, 189, 252)]
    assert message.startswith(f"{path}: expected one value of the foreground, found {', '.join(each)}")


def test_one_slice_has_no_spacing(case, root):
    for path in [*dicoms(case)[1:], *sorted((case / "Ground").iterdir())[1:]]:
        path.unlink()
    assert "two slices or more" in fails(root)


def test_unknown_values_and_changed_files_are_seen_by_preparation(case, root, tmp_path):
    store, reader, plan = Store(tmp_path / "store"), READERS.build("chaos"), Prepare(window_hu=(-60, 140), size=16)
    first = prepare(reader, root, plan, store)
    assert prepare(reader, root, plan, store) == first
    dicoms(case)[7].write_bytes(b"other preamble.." * 8 + dicoms(case)[7].read_bytes()[128:])
    second = prepare(reader, root, plan, store)
    assert second != first
    mask = sorted((case / "Ground").iterdir())[7]
    mask.write_bytes(mask.read_bytes() + b"after the last chunk")
    assert prepare(reader, root, plan, store) not in (first, second)

    (volume,), (ref,) = load(root), reader.scan(root)
    volume.mask[0, 0, 0] = 2
    with pytest.raises(DataError, match=re.escape(f"{case / 'Ground'}: unknown label value [2]")):
        verify(volume, ref, reader.labels)
    volume.image[0, 0, 0] = np.nan
    with pytest.raises(DataError, match=re.escape(f"{case / 'DICOM_anon'}: the image holds NaN")):
        verify(volume, ref, reader.labels)


def test_image_and_mask_stay_together_through_preparation(root, tmp_path):
    """In the window -60..140 the liver is 1 and nothing else is."""
    plan = Prepare(window_hu=(-60, 140), spacing_mm=0.6, crop=20, size=32, order=0)
    folder = prepare(READERS.build("chaos"), root, plan, Store(tmp_path / "store"))
    images, masks = Prepared.open(folder).base[:, 0], np.load(folder / "labels" / "masks.npy")
    np.testing.assert_array_equal(images == 1, masks == 1)
    assert (masks == 1).any(axis=(1, 2)).all()


def test_wild_values_vanish_in_the_window(root, case, tmp_path):
    """Liver of 30000 HU and surroundings of -30000 HU are as 140 and -60."""
    plan, reader = Prepare(window_hu=(-60, 140), spacing_mm=0.6, crop=20, size=32, order=1), READERS.build("chaos")
    tame = Prepared.open(prepare(reader, root, plan, Store(tmp_path / "store"))).base.copy()
    hu, mask = anatomy()
    wild = np.random.default_rng(0).random(hu.shape) < 0.1
    hu = np.where(wild, np.where(mask, 30000, -30000), hu)
    for k, path in enumerate(dicoms(case)):
        write_dicom(path, hu[k], 50.0 - 2 * k, intercept=0)
    loaded = load(root)[0].image
    assert (loaded.min(), loaded.max()) == (-30000, 30000)
    prepared = Prepared.open(prepare(reader, root, plan, Store(tmp_path / "store"))).base
    np.testing.assert_array_equal(prepared, tame)


@pytest.mark.real_data
@pytest.mark.skipif("ALSEG_CHAOS" not in os.environ, reason="set ALSEG_CHAOS to the folder of the CHAOS data")
def test_real_liver_has_the_density_of_liver(tmp_path):
    root, reader = Path(os.environ["ALSEG_CHAOS"]), READERS.build("chaos")
    refs = reader.scan(root)
    assert refs
    for ref in refs:
        volume = reader.load(ref)
        verify(volume, ref, reader.labels)
        liver = volume.image[volume.mask == 1]
        if ref.case == "ct_03":
            assert liver.mean() == pytest.approx(141, abs=3)
            assert liver.std() == pytest.approx(34, abs=2)
        assert abs(liver.mean() - 141) < 60
        assert liver.std() < 60
        for step in (-1, 1):  # masks that belong to the slice beside
            assert volume.image[np.roll(volume.mask, step, axis=0) == 1].std() > liver.std()
        swapped = volume.image[volume.mask[::-1] == 1]
        assert swapped.std() > 2 * liver.std()
        assert volume.image.min() <= -900  # air: the intercept was applied
        assert 0.5 < volume.spacing_mm[1] < 1
        by_z = [pydicom.dcmread(ref.files[k], stop_before_pixels=True) for k in sorted(ref.files) if k < "mask"]
        heights = sorted(float(file.ImagePositionPatient[2]) for file in by_z)
        assert volume.spacing_mm[0] == pytest.approx(np.median(np.diff(heights)))
    plan = Prepare(window_hu=(-60, 140), spacing_mm=1.89, crop=189, size=256)
    prepared = Prepared.open(folder := prepare(reader, root, plan, Store(tmp_path)))
    masks = np.load(folder / "labels" / "masks.npy")
    inside = prepared.base[:, 0][masks == 1] * 200 - 60
    assert 110 < inside.mean() < 140  # the window ends at 140
    assert prepared.base.min() == 0
    assert prepared.base.max() == 1
