from __future__ import annotations

import h5py
import numpy as np
import pytest

from alseg_core.data.prepare import Prepare, prepare
from alseg_core.data.prepared import Prepared
from alseg_core.data.readers import READERS
from alseg_core.errors import ConfigError, DataError
from alseg_core.store import Store

SHAPE = (18, 20, 16)  # 18 slices: numbers reach 17 and sort wrongly as text


def arrays(patient: int, frame: int, shape: tuple[int, int, int] = SHAPE) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([patient, frame])
    label = np.zeros(shape, np.uint8)
    label[:, 5:15, 3:6], label[:, 5:15, 6:9], label[:, 5:15, 9:12] = 1, 2, 3
    scribble = np.full(shape, 4, np.uint16)
    scribble[:, 8, 4:11] = label[:, 8, 4:11]
    for z in range(len(scribble)):
        scribble[z, 0, z % 16] = 0  # marks each slice by its number
    return {"image": rng.random(shape, np.float32), "label": label, "scribble": scribble}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, array in content.items():
            file.create_dataset(name, data=array, compression="gzip")


def write_wsl4mis(root, patients=(1, 90), volumes=True, slices=True):
    for patient in patients:
        for frame in (4, 11) if patient == 90 else (1, 12):
            held = arrays(patient, frame)
            name = f"patient{patient:03d}_frame{frame:02d}"
            if volumes:
                content = {key: held[key] for key in ("image", "label")}
                write(root / "ACDC_training_volumes" / f"{name}.h5", content)
            for z in range(SHAPE[0] if slices else 0):
                content = {key: array[z] for key, array in held.items()}
                write(root / "ACDC_training_slices" / f"{name}_slice_{z}.h5", content)
    return root


@pytest.mark.parametrize(("volumes", "slices"), [(True, True), (True, False), (False, True)])
def test_volumes_and_slices_give_the_same_cases(tmp_path, volumes, slices):
    reader = READERS.build("wsl4mis_h5")
    refs = reader.scan(write_wsl4mis(tmp_path / "ACDC", volumes=volumes, slices=slices))
    assert [ref.case for ref in refs] == ["patient001_ED", "patient001_ES", "patient090_ED", "patient090_ES"]
    assert [(ref.patient, ref.group) for ref in refs[2:]] == [("patient090", "ED"), ("patient090", "ES")]
    for ref, (patient, frame) in zip(refs, [(1, 1), (1, 12), (90, 4), (90, 11)], strict=True):
        volume, true = reader.load(ref), arrays(patient, frame)
        np.testing.assert_array_equal(volume.image, true["image"])
        np.testing.assert_array_equal(volume.mask, true["label"])
        assert volume.image.dtype == np.float32 and volume.mask.dtype == np.uint8
        if slices:
            np.testing.assert_array_equal(volume.scribble, np.where(true["scribble"] == 4, 255, true["scribble"]))
            assert volume.scribble.dtype == np.uint8
        else:
            assert volume.scribble is None


@pytest.mark.parametrize("below", [".", "ACDC", "ACDC/ACDC_training_volumes", "ACDC/ACDC_training_slices"])
def test_root_may_be_any_of_the_folders(tmp_path, below):
    write_wsl4mis(tmp_path / "ACDC", patients=[1])
    refs = READERS.build("wsl4mis_h5").scan(tmp_path / below)
    assert [(ref.case, len(ref.files)) for ref in refs] == [("patient001_ED", 20), ("patient001_ES", 20)]


def test_scribbles_of_the_volumes_come_first(tmp_path):
    write_wsl4mis(tmp_path, patients=[1])
    held = arrays(1, 1)
    held["scribble"][:] = 2
    write(tmp_path / "ACDC_training_volumes/patient001_frame01.h5", held)
    reader = READERS.build("wsl4mis_h5")
    assert (reader.load(reader.scan(tmp_path)[0]).scribble == 2).all()


def test_spacing_is_a_field(tmp_path):
    refs = READERS.build("wsl4mis_h5").scan(write_wsl4mis(tmp_path, patients=[1], slices=False))
    assert READERS.build("wsl4mis_h5").load(refs[0]).spacing_mm == (10, 1.5, 1.5)
    own = READERS.build({"name": "wsl4mis_h5", "spacing_mm": [8, 1.25, 1.5]})
    assert own.load(refs[0]).spacing_mm == (8, 1.25, 1.5)
    with pytest.raises(ConfigError, match="spacing_mm"):
        READERS.build({"name": "wsl4mis_h5", "spacing_mm": [8, 0, 1.5]})


def test_it_is_prepared_like_any_other(tmp_path):
    write_wsl4mis(tmp_path / "raw")
    folder = prepare(READERS.build("wsl4mis_h5"), tmp_path / "raw", Prepare(size=16), Store(tmp_path / "store"))
    prepared = Prepared.open(folder)
    assert len(prepared.base) == 4 * SHAPE[0]
    assert all(case.has_scribble and case.has_mask for case in prepared.cases)


def fails(root) -> str:
    with pytest.raises(DataError) as caught:
        prepare(READERS.build("wsl4mis_h5"), root, Prepare(size=16), Store(root / "store"))
    return str(caught.value)


def test_no_data(tmp_path):
    assert "ACDC_training_slices/patientNNN_frameFF_slice_S.h5" in fails(tmp_path)
    with pytest.raises(DataError, match="no folder was given"):
        READERS.build("wsl4mis_h5").scan(None)


def test_missing_slices_and_frames_are_all_told(tmp_path):
    write_wsl4mis(tmp_path)
    (tmp_path / "ACDC_training_slices/patient001_frame12_slice_9.h5").unlink()
    for path in tmp_path.rglob("patient090_frame11*"):
        path.unlink()
    message = fails(tmp_path)
    assert message.startswith("2 problems")
    assert "patient001_frame12_slice_17.h5: it is slice 17 of patient001, frame 12, but there is no 9." in message
    assert "patient090: expected two frames, ED and ES, found frame04" in message


@pytest.mark.parametrize(("kind", "count"), [("volumes", 1), ("slices", SHAPE[0])])
def test_frames_that_are_there_twice(tmp_path, kind, count):
    write_wsl4mis(tmp_path, patients=[1])
    for path in (tmp_path / f"ACDC_training_{kind}").glob("*frame12*"):
        write(tmp_path / "ACDC" / path.parent.name / path.name, {key: arrays(1, 1)[key] for key in ("image", "label")})
        count -= 1
    assert count == 0
    message = fails(tmp_path)
    assert "of patient001, frame 12, exists twice" in message and "\n" not in message
    assert f"{tmp_path}/ACDC/ACDC_training_{kind}/patient001_frame12" in message
    assert f"{tmp_path}/ACDC_training_{kind}/patient001_frame12" in message


def test_the_last_slice_is_missing(tmp_path):
    write_wsl4mis(tmp_path, patients=[1])
    (tmp_path / "ACDC_training_slices/patient001_frame12_slice_17.h5").unlink()
    message = fails(tmp_path)
    assert "17 slices make shape (17, 20, 16)" in message and "patient001_frame12.h5 has (18, 20, 16)" in message


@pytest.mark.parametrize("kind", ["volumes", "slices"])
@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_truncated(tmp_path, kind, keep):
    write_wsl4mis(tmp_path, patients=[1])
    path = sorted((tmp_path / f"ACDC_training_{kind}").iterdir())[0]
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep) if keep == 0.5 else keep])
    message = fails(tmp_path)
    assert message.startswith(f"{path}: not a readable HDF5 file, perhaps truncated")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda held: held.pop("label"), "no array 'label'; it holds image"),
        (lambda held: held.update(label=held["label"][:-1]), "expected 3D arrays of one shape"),
        (lambda held: held.update(image=held["image"][0], label=held["label"][0]), "expected 3D arrays of one shape"),
        (lambda held: held["label"].__setitem__((0, 0, 0), 7), "unknown label value 7; known: 0, 1, 2, 3"),
        (lambda held: held["image"].__setitem__((0, 0, 0), np.nan), "NaN"),
        (lambda held: held.update(image=np.full(SHAPE, b"x")), "expected real numbers in 'image'"),
    ],
)
def test_bad_volume(tmp_path, change, words):
    write_wsl4mis(tmp_path, patients=[1], slices=False)
    held = {key: arrays(1, 1)[key] for key in ("image", "label")}
    change(held)
    path = tmp_path / "ACDC_training_volumes/patient001_frame01.h5"
    write(path, held)
    message = fails(tmp_path)
    assert str(path) in message and words in message


def test_bad_slices_are_all_told(tmp_path):
    write_wsl4mis(tmp_path, patients=[1], volumes=False)
    for z in (3, 12):
        held = {key: array[z][:, :-1] for key, array in arrays(1, 1).items()}
        write(tmp_path / f"ACDC_training_slices/patient001_frame01_slice_{z}.h5", held)
    message = fails(tmp_path)
    assert message.startswith("2 problems")
    assert "slice_3.h5: shape (20, 15) (y, x) differs from (20, 16)" in message and "slice_12.h5: shape" in message


def test_unknown_scribble(tmp_path):
    write_wsl4mis(tmp_path, patients=[1])
    held = {key: array[2] for key, array in arrays(1, 1).items()}
    held["scribble"][1, 1] = 5
    write(tmp_path / "ACDC_training_slices/patient001_frame01_slice_2.h5", held)
    assert "unknown label value 5; known: 0, 1, 2, 3, 4" in fails(tmp_path)
