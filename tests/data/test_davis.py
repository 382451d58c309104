from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alseg_core.data.prepare import Prepare, prepare, verify
from alseg_core.data.prepared import Prepared
from alseg_core.data.readers import READERS
from alseg_core.errors import DataError
from alseg_core.store import Store
from tests.data.conftest import read_all

HEIGHT, WIDTH, FRAMES = 24, 40, 4


def foreground(frame):
    """Moves with the frame; none in the last one."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    if frame < FRAMES - 1:
        mask[4:14, 5 + 3 * frame : 15 + 3 * frame] = True
    return mask


def write_sequence(base, name, masks="grey", first=0):
    for folder in ("JPEGImages", "Annotations"):
        (base / folder / "480p" / name).mkdir(parents=True)
    for k in range(FRAMES):
        stem, mask = f"480p/{name}/{first + k:05d}", foreground(k)
        colour = np.where(mask[..., None], [220, 40, 10], [20, 30, 180]).astype(np.uint8)
        Image.fromarray(colour).save(base / "JPEGImages" / f"{stem}.jpg", quality=95, subsampling=0)
        grey = Image.fromarray(mask.astype(np.uint8) * 255)
        if masks == "palette":  # two objects, the second to the right of column 10
            grey = Image.new("P", (WIDTH, HEIGHT))
            grey.putdata(np.where(np.arange(WIDTH) > 10, 2 * mask, mask).ravel().tolist())
            grey.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
        elif k == 1:
            grey = grey.convert("LA")  # opaque throughout
        grey.save(base / "Annotations" / f"{stem}.png")


def write_lists(base, form, train, val):
    folder = base / "ImageSets" / form
    folder.mkdir(parents=True)
    for part, names in (("train", train), ("val", val)):
        if form == "480p":
            lines = [
                f"/JPEGImages/480p/{name}/{k:05d}.jpg /Annotations/480p/{name}/{k:05d}.png "
                for name in names
                for k in range(FRAMES)
            ]
        else:
            lines = list(names)
        (folder / f"{part}.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def root(tmp_path):
    base = tmp_path / "DAVIS"
    for name in ("bear", "camel", "zebra"):
        write_sequence(base, name)
    return tmp_path


def load(root):
    return read_all("davis", root)


def fails(root):
    with pytest.raises(DataError) as caught:
        load(root)
    return str(caught.value)


@pytest.mark.parametrize("form", ["480p", "2016"])
@pytest.mark.parametrize("below", ["", "DAVIS"])
def test_the_lists_name_the_sequences(root, form, below):
    write_lists(root / "DAVIS", form, ["camel"], ["bear"])
    refs = READERS.build("davis").scan(root / below)
    assert [(ref.case, ref.patient, ref.group, ref.attributes) for ref in refs] == [
        ("bear", "bear", "video", {"official": "val"}),
        ("camel", "camel", "video", {"official": "train"}),
    ]


def test_the_list_of_2016_goes_first(root):
    write_lists(root / "DAVIS", "480p", ["camel"], ["bear"])
    write_lists(root / "DAVIS", "2016", ["zebra"], ["camel"])
    write_lists(root / "DAVIS", "2017", ["bear"], [])
    assert [ref.case for ref in READERS.build("davis").scan(root)] == ["camel", "zebra"]


def test_without_lists_all_sequences_count(root):
    refs = READERS.build("davis").scan(root)
    assert [(ref.case, ref.attributes) for ref in refs] == [("bear", {}), ("camel", {}), ("zebra", {})]


@pytest.mark.parametrize("masks", ["grey", "palette"])
def test_frames_are_slices_in_colour(tmp_path, masks):
    write_sequence(tmp_path, "bear", masks, first=98)
    volume = load(tmp_path)["bear"]
    assert volume.image.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert volume.image.dtype == np.float32
    assert volume.spacing_mm == (1, 1, 1)
    np.testing.assert_array_equal(volume.mask, [foreground(k) for k in range(FRAMES)])
    assert volume.mask.dtype == np.uint8
    assert not volume.mask[-1].any()
    inner = np.stack([foreground(k) for k in range(FRAMES)])
    inner[:, [4, 13]] = False  # JPEG blurs the border
    assert np.abs(volume.image[inner].mean(axis=0) - [220, 40, 10]).max() < 15
    assert np.abs(volume.image[:, 18:].mean(axis=(0, 1, 2)) - [20, 30, 180]).max() < 5


def test_files_that_do_not_pair_are_all_named(root):
    base = root / "DAVIS"
    (base / "Annotations/480p/bear/00002.png").unlink()
    (base / "JPEGImages/480p/camel/00001.jpg").unlink()
    shutil.rmtree(base / "Annotations/480p/zebra")
    message = fails(root)
    assert message.startswith(f"{2 + FRAMES} problems")
    assert f"{base}/Annotations/480p/bear/00002.png: file not found" in message
    assert f"{base}/JPEGImages/480p/camel/00001.jpg: file not found" in message
    assert f"{base}/Annotations/480p/zebra/00000.png: file not found" in message


def test_a_listed_sequence_must_be_there_and_in_one_list(root):
    write_lists(root / "DAVIS", "2016", ["bear", "yak"], ["bear"])
    message = fails(root)
    assert message.startswith("2 problems")
    assert f"{root}/DAVIS/JPEGImages/480p/yak: no frame of sequence 'yak' found" in message
    assert "sequence 'bear' is listed in train and val" in message


def test_another_shape(root):
    base = root / "DAVIS"
    Image.fromarray(foreground(0)[:, :30]).save(base / "Annotations/480p/bear/00001.png")
    Image.new("RGB", (WIDTH, HEIGHT + 1)).save(base / "JPEGImages/480p/bear/00003.jpg")
    message = fails(root)
    assert message.startswith("2 problems")
    assert f"{base}/Annotations/480p/bear/00001.png: shape (24, 30) differs from (24, 40)" in message
    assert f"{base}/JPEGImages/480p/bear/00003.jpg: shape (25, 40) differs" in message


@pytest.mark.parametrize("keep", [0, 0.3, 0.9])
@pytest.mark.parametrize("name", ["JPEGImages/480p/bear/00001.jpg", "Annotations/480p/bear/00001.png"])
def test_truncated(root, name, keep):
    path = root / "DAVIS" / name
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    assert fails(root).startswith(f"{path}: not a readable picture, perhaps truncated")


def test_no_data(tmp_path):
    (tmp_path / "JPEGImages" / "480p").mkdir(parents=True)
    for root in (tmp_path, tmp_path / "absent"):
        message = fails(root)
        assert f"no sequence was found at {root}" in message
        assert "Annotations/480p/<sequence>/NNNNN.png" in message
        assert "davischallenge.org" in message
    assert "no folder was given" in fails(None)


def test_colours_are_channels_after_preparation(root, tmp_path):
    """Red marks the foreground: image and mask agree pixel by pixel where neither was interpolated."""
    plan = Prepare(window_hu=(0, 255), size=16, order=0)
    folder = prepare(READERS.build("davis"), root, plan, Store(tmp_path / "store"))
    prepared, masks = Prepared.open(folder), np.load(folder / "labels" / "masks.npy")
    assert prepared.base.shape == (3 * FRAMES, 3, 16, 16)
    assert prepared.slices(["camel"]).channels == 3
    np.testing.assert_array_equal(prepared.base[:, 0] > prepared.base[:, 2], masks == 1)
    assert masks.any()
    assert prepared.base.max() <= 1
    assert abs(prepared.base[:, 2].max() - 180 / 255) < 0.05  # on the scale of the file, not stretched


@pytest.mark.real_data
@pytest.mark.skipif("ALSEG_DAVIS" not in os.environ, reason="set ALSEG_DAVIS to the folder of the DAVIS data")
def test_all_real_sequences():
    reader = READERS.build("davis")
    refs = reader.scan(Path(os.environ["ALSEG_DAVIS"]))
    assert {ref.attributes.get("official") for ref in refs} == {"train", "val"}
    for ref in refs:
        volume = reader.load(ref)
        verify(volume, ref, reader.labels)
        assert volume.image.shape[1:] == (480, 854, 3)
        assert 60 < volume.image.mean() < 190
        share = volume.mask.mean(axis=(1, 2))
        assert 0.001 < share.mean() < 0.6
        # an object covers about as much of one frame as of the next, whatever the mode of the mask's file
        assert np.abs(np.diff(share)).max() < 0.1
