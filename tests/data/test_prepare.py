from __future__ import annotations

import dataclasses
import gc
import json
import os
import shutil
import types
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alseg_core.data.in_plane import InPlane
from alseg_core.data.prepare import Prepare, prepare
from alseg_core.data.prepared import Prepared
from alseg_core.data.readers import READERS, CaseRef
from alseg_core.data.splits import SPLITS
from alseg_core.errors import ConfigError, DataError
from alseg_core.registry import construct, describe
from alseg_core.store import Store
from alseg_core.vocabulary import Volume

DATASETS = Path(__file__).parents[2] / "experiments" / "datasets"


@dataclasses.dataclass
class Scans:
    """A reader of volumes in memory."""

    volumes: Any
    labels: ClassVar[tuple[int, ...]] = (0, 1)

    def __post_init__(self):
        self.scans = self.volumes
        self.volumes = sorted(self.volumes)  # what describes the reader

    def scan(self, root):
        return [CaseRef(case, case) for case in self.volumes]

    def load(self, ref):
        return self.scans[ref.case]


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def truth_forward(volume, grid, order, fill):
    """Pixel by pixel from the definition of the grid."""
    depth, height, width = volume.shape
    out = np.full((depth, grid.size, grid.size), fill, float)
    for i in range(grid.size):
        for j in range(grid.size):
            y = grid.centre_y + (i - (grid.size - 1) / 2) * grid.step_y
            x = grid.centre_x + (j - (grid.size - 1) / 2) * grid.step_x
            if not (-0.5 <= y < height - 0.5 and -0.5 <= x < width - 0.5):
                continue
            if order == 0:
                out[:, i, j] = volume[:, int(np.floor(y + 0.5)), int(np.floor(x + 0.5))]
                continue
            y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
            total = 0.0
            for row in {int(np.floor(y)), int(np.ceil(y))}:
                for column in {int(np.floor(x)), int(np.ceil(x))}:
                    total = total + max(0, 1 - abs(y - row)) * max(0, 1 - abs(x - column)) * volume[:, row, column]
            out[:, i, j] = total
    return out


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize(
    "grid", [InPlane(3, 4, 1.3, 0.7, 9), InPlane(2.5, 4.5, 0.4, 0.5, 8), InPlane(3, 3.5, 1, 1, 12)]
)
def test_forward_is_the_definition(grid, order):
    volume = np.random.default_rng(0).random((2, 7, 9), dtype=np.float32)
    got = grid.forward(volume, order, -1)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, truth_forward(volume, grid, order, -1), atol=1e-6)


@given(h=st.integers(8, 20), w=st.integers(8, 20), extra=st.integers(0, 6))
@settings(max_examples=25, deadline=None)
def test_identity_geometry_is_exact_both_ways(h, w, extra):
    labels = np.random.default_rng(h * w).integers(0, 4, (2, h, w)).astype(np.uint8)
    size = max(h, w) + extra
    grid = Prepare(spacing_mm=1.5, size=size).geometry((h, w), (1.5, 1.5))
    network = grid.forward(labels, 0, 0)
    assert network.dtype == np.uint8
    assert network.sum() == labels.sum()
    np.testing.assert_array_equal(grid.backward(network, (h, w)), labels)


@pytest.mark.parametrize(
    "how", [{"spacing_mm": 1.9, "size": 64}, {"crop_fraction": 0.7, "size": 64}, {"crop_fraction": 1.0, "size": 200}]
)
def test_round_trip_of_a_centred_blob(how):
    shape, spacing = (110, 140), (1.4, 1.2)
    y, x = np.mgrid[: shape[0], : shape[1]]
    blob = np.hypot((y - 58) * spacing[0], (x - 66) * spacing[1]) < 28
    labels = np.stack([blob * 2, np.zeros(shape)]).astype(np.uint8)
    grid = Prepare(**how).geometry(shape, spacing)
    back = grid.backward(grid.forward(labels, 0, 0), shape)
    assert dice(back[0] == 2, blob) > 0.95
    assert not back[1].any()


def test_backward_is_background_outside_the_grid():
    grid = Prepare(crop_fraction=0.5, size=16).geometry((32, 40), (1, 1))
    back = grid.backward(np.ones((1, 16, 16), np.uint8), (32, 40))
    assert back.sum() == 16 * 20
    assert back[0, 8:24, 10:30].all()


def test_crop_fraction_covers_the_central_share():
    grid = Prepare(crop_fraction=0.5, size=8).geometry((32, 64), (1, 1))
    rows = np.arange(32, dtype=np.float32)[None, :, None] * np.ones((1, 1, 64), np.float32)
    np.testing.assert_allclose(grid.forward(rows, 1, 0)[0, :, 0], np.arange(8) * 2 + 8.5)


def test_intensities():
    image = np.random.default_rng(0).normal(50, 9, (3, 20, 20)).astype(np.float32)
    image[0, 0, 0] = 1e6
    out = Prepare().intensities(image)
    assert (out.min(), out.max()) == (0, 1)
    cut = np.percentile(image, 99)
    np.testing.assert_allclose(out, (np.minimum(image, cut) - image.min()) / (cut - image.min()), atol=1e-5)
    scored = Prepare(normalise="zscore").intensities(image)
    assert abs(scored.mean()) < 1e-5
    assert abs(scored.std() - 1) < 1e-5
    assert not Prepare().intensities(np.full((2, 9, 9), 7, np.float32)).any()


def test_without_clipping_outliers_stay():
    image = np.random.default_rng(0).normal(50, 9, (3, 20, 20)).astype(np.float32)
    image[0, 0, 0] = 1e4
    kept = image.copy()
    out = Prepare(clip_percentile=None).intensities(image)
    np.testing.assert_allclose(out, (image - image.min()) / (image.max() - image.min()), rtol=1e-5)
    scored = Prepare(clip_percentile=None, normalise="zscore").intensities(image)
    np.testing.assert_allclose(scored, (image - image.mean()) / image.std(), rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(image, kept)  # the scan itself is left alone


def test_a_window_is_the_same_for_all_volumes():
    """Each value has one image, whatever else is in its volume; percentiles and extremes differ between the two."""
    plan = Prepare(window_hu=(-60, 140))
    assert plan.clip_percentile is None
    for low, high in ((-1000, 400), (0, 90)):
        image = np.linspace(low, high, 2 * 16 * 16, dtype=np.float32).reshape(2, 16, 16)
        expected = np.clip((image + 60) / 200, 0, 1)
        np.testing.assert_allclose(plan.intensities(image), expected, atol=1e-6)
    scored = Prepare(window_hu=(-60, 140), normalise="zscore").intensities(image - 500)
    assert not scored.any()  # all below the window: constant


def test_settings_survive_being_described():
    for plan in (Prepare(), Prepare(window_hu=(-60, 140)), Prepare(clip_percentile=None, spacing_mm=1.5, crop=64)):
        assert construct(Prepare, describe(plan), "prepare") == plan


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"clip_percentile": (99, 1)}, "clip_percentile"),
        ({"clip_percentile": (0, 101)}, "clip_percentile"),
        ({"window_hu": (140, -60)}, "window_hu.*ascending"),
        ({"window_hu": (-60, float("inf"))}, "window_hu"),
        ({"window_hu": (-60, 140), "clip_percentile": (0, 99)}, "exclude each other"),
        ({"crop": 64}, "give spacing_mm"),
        ({"crop": 0, "spacing_mm": 1}, "crop"),
        ({"order": 2}, "order"),
        ({"spacing_mm": 0}, "spacing_mm"),
        ({"crop_fraction": 1.1}, "crop_fraction"),
    ],
)
def test_bad_settings(fields, words):
    with pytest.raises(ConfigError, match=words):
        construct(Prepare, fields, "prepare")


@pytest.mark.parametrize(("crop", "size"), [(12, 32), (40, 24), (20, 20)])
@pytest.mark.parametrize("shape", [(21, 26), (16, 13)])
def test_crop_is_two_steps_and_one_geometry(crop, size, shape):
    """The first grid is ``crop`` pixels of ``spacing_mm`` around the middle, the second the whole of the first."""
    plan, spacing = Prepare(spacing_mm=1.5, crop=crop, size=size, order=1), (1.1, 0.9)
    first, second = plan.stages(shape, spacing)
    middle = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    assert dataclasses.astuple(first) == pytest.approx((*middle, 1.5 / 1.1, 1.5 / 0.9, crop))
    assert second == InPlane((crop - 1) / 2, (crop - 1) / 2, crop / size, crop / size, size)
    grid = plan.geometry(shape, spacing)
    for i in (0, 3, size - 1):  # one network pixel through both steps, and at once
        at = second.centre_y + (i - (size - 1) / 2) * second.step_y
        twice = first.centre_y + (at - (crop - 1) / 2) * first.step_y
        assert twice == pytest.approx(grid.centre_y + (i - (size - 1) / 2) * grid.step_y)
    assert grid.size == size
    assert len(Prepare(spacing_mm=1.5, size=size).stages(shape, spacing)) == 1


@pytest.mark.parametrize("order", [0, 1])
def test_crop_resamples_image_and_mask_alike(tmp_path, order):
    """Against both steps done pixel by pixel; the native slice is narrower than the field, so both are padded."""
    plan = Prepare(window_hu=(-60, 140), spacing_mm=1.5, crop=20, size=32, order=order)
    rng = np.random.default_rng(1)
    mask = np.zeros((2, 22, 24), np.uint8)
    mask[:, 6:15, 9:20] = 1
    image = np.where(mask == 1, 120, rng.uniform(-900, 50, mask.shape)).astype(np.float32)
    scribble = np.where(mask == 1, 255, 0).astype(np.uint8)
    reader: Any = Scans({"a": Volume(image, mask, scribble, (3, 1.2, 0.8), "a", "a")})
    folder = prepare(reader, None, plan, Store(tmp_path))
    prepared = Prepared.open(folder)
    first, second = plan.stages((22, 24), (1.2, 0.8))

    def truth(array, order, fill):
        return truth_forward(truth_forward(array, first, order, fill), second, order, fill)

    np.testing.assert_allclose(prepared.base[:, 0], truth(np.clip((image + 60) / 200, 0, 1), order, 0), atol=1e-5)
    stored, scribbles = (np.load(folder / "labels" / name) for name in ("masks.npy", "scribbles.npy"))
    np.testing.assert_array_equal(stored, truth(mask, 0, 0))
    np.testing.assert_array_equal(scribbles, truth(np.where(mask == 1, 255, 0), 0, 255))
    outside = slice(None), slice(None), slice(0, 3)  # 24 x .8 mm are less than 20 x 1.5 mm
    assert (prepared.base[:, 0][outside] == 0).all()
    assert (stored[outside] == 0).all()
    assert (scribbles[outside] == 255).all()
    if order == 0:
        np.testing.assert_allclose(prepared.base[:, 0][stored == 1], 0.9, atol=1e-6)  # 120 HU
        assert (prepared.base[:, 0][stored == 0] < 0.6).all()
    assert prepared.cases[0].geometry == plan.geometry((22, 24), (1.2, 0.8))
    back = prepared.cases[0].to_native(stored)
    assert dice(back == 1, mask == 1) > 0.85


@pytest.mark.parametrize(
    "how",
    [
        {"spacing_mm": 1.89, "crop": 189, "size": 256},  # published, CHAOS
        {"spacing_mm": 1.367, "crop": 212, "size": 256},  # published, MS-CMR
        {"spacing_mm": 2.5, "crop": 120, "size": 96},
    ],
)
def test_round_trip_with_crop(how):
    shape, spacing = (300, 280), (1.0, 1.1)
    y, x = np.mgrid[: shape[0], : shape[1]]
    blob = np.hypot((y - 158) * spacing[0], (x - 146) * spacing[1]) < 60
    plan, labels = Prepare(**how), blob[None].astype(np.uint8)
    first, second = plan.stages(shape, spacing)
    network = second.forward(first.forward(labels, 0, 0), 0, 0)
    assert dice(plan.geometry(shape, spacing).backward(network, shape)[0] == 1, blob) > 0.97


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("how", [{"crop_fraction": 0.8}, {"spacing_mm": 1.5}, {"spacing_mm": 1.5, "crop": 14}])
def test_colour_images_are_channels(tmp_path, order, how):
    """Each channel is resampled as a grey image would be."""
    colour = np.random.default_rng(2).uniform(0, 255, (3, 17, 21, 3)).astype(np.float32)
    mask = (colour[..., 0] > 128).astype(np.uint8)
    plan = Prepare(window_hu=(0, 255), size=16, order=order, **how)
    reader: Any = Scans({"v": Volume(colour, mask, None, (1, 1, 1), "v", "v")})
    folder = prepare(reader, None, plan, Store(tmp_path))
    base = Prepared.open(folder).base
    assert base.shape == (3, 3, 16, 16)
    assert base.dtype == np.float32
    for channel in range(3):
        expected = colour[..., channel] / 255
        for grid in plan.stages((17, 21), (1, 1)):
            expected = truth_forward(expected, grid, order, colour.min() / 255)
        np.testing.assert_allclose(base[:, channel], expected, atol=1e-5)


def test_grey_and_colour_do_not_mix(tmp_path):
    volumes = [
        Volume(np.zeros((2, 9, 9, *channels), np.float32), None, None, (1, 1, 1), name, name)
        for name, channels in (("a", ()), ("b", (3,)))
    ]
    reader: Any = Scans({v.case: v for v in volumes})
    with pytest.raises(DataError, match="do not fit those of the earlier cases"):
        prepare(reader, None, Prepare(size=8), Store(tmp_path))


def test_files_on_disk(tmp_path, write_acdc):
    root = write_acdc(tmp_path / "acdc", patients=2)
    for path in root.rglob("patient002*_scribble.nii.gz"):
        path.unlink()
    reader, plan, seen = READERS.build("acdc"), Prepare(spacing_mm=1.25, size=32), []
    folder = prepare(reader, root, plan, Store(tmp_path / "store"), lambda *step: seen.append(step))
    assert seen == [(i + 1, 4, f"patient00{1 + i // 2}_{'ED' if i % 2 == 0 else 'ES'}") for i in range(4)]
    images, masks = np.load(folder / "images.npy"), np.load(folder / "labels" / "masks.npy")
    scribbles, native = np.load(folder / "labels" / "scribbles.npy"), np.load(folder / "labels" / "native.npy")
    assert (images.shape, images.dtype) == ((12, 1, 32, 32), np.float32)
    assert (masks.shape, masks.dtype) == ((12, 32, 32), np.uint8)
    assert scribbles.shape == (12, 32, 32)
    assert native.shape == (4 * 3 * 30 * 24,)
    assert (scribbles[6:] == 255).all()
    assert (scribbles[:6] != 255).any(axis=(1, 2)).all()
    assert set(np.unique(masks)) == {0, 1, 2, 3}
    index = json.loads((folder / "index.json").read_text())
    assert [entry["native_offset"] for entry in index["cases"]] == [0, 2160, 4320, 6480]

    prepared = Prepared.open(folder)
    assert prepared.key == folder.name
    assert prepared.labels == (0, 1, 2, 3)
    for i, ref in enumerate(reader.scan(root)):
        volume, info = reader.load(ref), prepared.cases[i]
        grid = plan.geometry((30, 24), (1.5, 1.25))
        assert info.geometry == grid
        assert info.spacing_mm == (8.0, 1.5, 1.25)
        assert (info.depth, info.native_shape) == (3, (30, 24))
        rows = prepared.table.of_volume(i)
        np.testing.assert_array_equal(masks[rows], truth_forward(volume.mask, grid, 0, 0))
        np.testing.assert_array_equal(native[info.native_offset :][:2160].reshape(3, 30, 24), volume.mask)
        expected = truth_forward(plan.intensities(volume.image), grid, 1, 0)
        np.testing.assert_allclose(images[rows, 0], expected, atol=1e-5)
    assert [prepared.info(case).has_scribble for case in ("patient001_ED", "patient002_ES")] == [True, False]


def test_a_second_call_reads_no_voxels(tmp_path, write_acdc, monkeypatch):
    root, store, reader = write_acdc(tmp_path / "acdc", patients=1), Store(tmp_path / "store"), READERS.build("acdc")
    first = prepare(reader, root, Prepare(size=16), store)
    loads = []
    load = type(reader).load
    monkeypatch.setattr(type(reader), "load", lambda self, ref: loads.append(ref.case) or load(self, ref))
    assert prepare(reader, root, Prepare(size=16), store) == first
    assert loads == []
    assert prepare(reader, root, Prepare(size=24), store) != first
    assert len(loads) == 2


def test_a_copy_with_other_dates_is_the_same_data_and_other_content_of_that_size_is_not(tmp_path, write_acdc):
    root, store, reader = write_acdc(tmp_path / "acdc", patients=1), Store(tmp_path / "store"), READERS.build("acdc")
    first = prepare(reader, root, Prepare(size=16), store)
    copy = shutil.copytree(root, tmp_path / "elsewhere")
    masks = sorted(copy.rglob("*_gt.nii.gz"))
    for mask in masks:
        os.utime(mask, (1, 1))
    assert prepare(reader, copy, Prepare(size=16), store) == first
    swapped = bytearray(masks[0].read_bytes())
    swapped[4:8] = b"date"  # of the gzip member: the least that makes a file another one
    masks[0].write_bytes(swapped)
    assert prepare(reader, copy, Prepare(size=16), store) != first


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    reader = READERS.build({"name": "phantom", "patients": 4})
    return prepare(reader, None, Prepare(spacing_mm=1.4, size=96), Store(tmp_path_factory.mktemp("store")))


def test_slices_are_rows_of_the_shared_array(phantom):
    prepared, stored = Prepared.open(phantom), np.load(phantom / "images.npy")
    cases = [prepared.table.cases[i] for i in (5, 0, 3)]
    slices = prepared.slices(cases)
    assert slices.base is prepared.base
    assert slices.table.cases == tuple(cases)
    position = 0
    for case in cases:
        first = sum(info.depth for info in prepared.cases[: prepared.table.cases.index(case)])
        for z in range(prepared.info(case).depth):
            assert slices.table.locate(position) == (case, z)
            np.testing.assert_array_equal(slices.images(np.array([position]))[0], stored[first + z])
            position += 1
    assert position == len(slices)
    with pytest.raises(DataError, match="phantom001_ED"):
        prepared.slices(["phantom001_EE"])


def test_a_case_round_trips_to_its_native_grid(phantom):
    prepared, masks = Prepared.open(phantom), np.load(phantom / "labels" / "masks.npy")
    native = np.load(phantom / "labels" / "native.npy")
    for i, info in enumerate(prepared.cases):
        back = info.to_native(masks[prepared.table.of_volume(i)])
        truth = native[info.native_offset :][: back.size].reshape(back.shape)
        assert dice(back == 1, truth == 1) > 0.9


def test_images_lead_to_no_file(phantom):
    """Label wall: from the slices a strategy holds, neither the folder nor a file name can be reached."""
    slices = Prepared.open(phantom).slices(["phantom001_ED"])
    seen, queue = set(), [slices]
    while queue:
        thing = queue.pop()
        if id(thing) in seen or isinstance(thing, (type, types.ModuleType, types.FunctionType)):
            continue
        seen.add(id(thing))
        assert not isinstance(thing, (Path, np.memmap))
        assert not hasattr(thing, "filename")
        if isinstance(thing, str):
            assert phantom.name not in thing
            assert "images" not in thing
        if isinstance(thing, np.ndarray):
            queue.append(thing.base)
        queue.extend(gc.get_referents(thing))
    assert len(seen) > 10
    assert not slices.base.flags.writeable


@pytest.mark.parametrize("path", sorted(DATASETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_dataset_files_build(path):
    facts = yaml.safe_load(path.read_text())
    reader = READERS.build(facts["reader"])
    assert facts["name"] == path.stem
    assert len(facts["classes"]) == len(reader.labels)
    assert {"title", "citation", "licence", "source"} <= set(facts)
    for name, fields in facts["prepare"].items():
        construct(Prepare, fields, f"prepare {name}")
    for spec in facts["splits"].values():
        SPLITS.build(spec)
    assert set(facts["presets"]) == {"paper", "quick"}
    for preset in facts["presets"].values():
        assert preset["split"] in facts["splits"]
        assert preset["prepare"] in facts["prepare"]
        assert preset["budgets"] == sorted(set(preset["budgets"]))
