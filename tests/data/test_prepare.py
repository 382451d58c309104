from __future__ import annotations

import gc
import json
import os
import types
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alseg_core.data.prepare import InPlane, Prepare, prepare
from alseg_core.data.prepared import Prepared
from alseg_core.data.readers import READERS
from alseg_core.data.splits import SPLITS
from alseg_core.errors import ConfigError, DataError
from alseg_core.registry import construct
from alseg_core.store import Store

DATASETS = Path(__file__).parents[2] / "experiments" / "datasets"


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


@pytest.mark.parametrize(
    "fields", [{"clip_percentile": (99, 1)}, {"order": 2}, {"spacing_mm": 0}, {"crop_fraction": 1.1}]
)
def test_bad_settings(fields):
    with pytest.raises(ConfigError, match=next(iter(fields))):
        construct(Prepare, fields, "prepare")


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
    os.utime(next(root.rglob("*_gt.nii.gz")), ns=(1, 1))
    assert prepare(reader, root, Prepare(size=16), store) != first
    assert len(loads) == 4


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    reader = READERS.build({"name": "phantom", "patients": 4})
    return prepare(reader, None, Prepare(spacing_mm=2.2, size=64), Store(tmp_path_factory.mktemp("store")))


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
