from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import yaml

from alseg_core.data.in_plane import InPlane
from alseg_core.data.motion import motion_centre
from alseg_core.data.prepare import Prepare, prepare
from alseg_core.data.prepared import Prepared
from alseg_core.data.readers import READERS, CaseRef
from alseg_core.data.readers.wsl4mis_h5 import Wsl4misH5
from alseg_core.registry import construct
from alseg_core.store import Store
from alseg_core.vocabulary import Volume

DATASETS = Path(__file__).parents[2] / "experiments" / "datasets"


@dataclasses.dataclass
class Phases:
    """A reader of volumes in memory."""

    cases: Any
    labels: ClassVar[tuple[int, ...]] = (0, 1)

    def __post_init__(self):
        self.volumes = {volume.case: volume for volume in self.cases}
        self.cases = list(self.volumes)  # what describes the reader

    def scan(self, root):
        return [CaseRef(volume.case, volume.patient, volume.group) for volume in self.volumes.values()]

    def load(self, ref):
        return self.volumes[ref.case]


def beating(shape, centre, radii, seed=0):
    """Phases of a disc that changes its size, over a still and brighter background; images (2, h, w) and masks."""
    rng = np.random.default_rng(seed)
    still = rng.random((2, *shape)) * 3
    y, x = np.indices(shape)
    distance = np.hypot(y - centre[0], x - centre[1])
    masks = [np.broadcast_to(distance < radius, (2, *shape)) for radius in radii]
    noise = [rng.normal(0, 0.02, (2, *shape)) for _ in radii]
    images = [np.where(mask, 1.0, still) + n for mask, n in zip(masks, noise, strict=True)]
    return [image.astype(np.float32) for image in images], [mask.astype(np.uint8) for mask in masks]


@pytest.mark.parametrize("centre", [(40, 60), (60, 45), (75, 80)])
def test_the_centre_is_where_the_scans_differ(centre):
    images, _ = beating((120, 128), centre, (16, 10))
    assert motion_centre(images, InPlane(59.5, 63.5, 1.0, 1.0, 48)) == pytest.approx(centre, abs=2.5)


def test_the_unit_of_the_centre_is_the_native_pixel():
    images, _ = beating((60, 128), (34, 70), (12, 7))
    stretched = [np.repeat(image, 2, axis=1) for image in images]
    plain = motion_centre(images, InPlane(29.5, 63.5, 1.0, 1.0, 40))
    wide = motion_centre(stretched, InPlane(59.5, 63.5, 2.0, 1.0, 40))
    assert wide == pytest.approx((plain[0] * 2 + 0.5, plain[1]), abs=0.2)


def test_colour_scans_count_all_channels():
    images, _ = beating((80, 80), (30, 44), (12, 7))
    colour = [np.stack([np.zeros_like(image), image, image], axis=-1) for image in images]
    grid = InPlane(39.5, 39.5, 1.0, 1.0, 32)
    assert motion_centre(colour, grid) == pytest.approx(motion_centre(images, grid), abs=1e-3)


def test_equal_scans_leave_the_centre():
    image = np.random.default_rng(0).random((2, 40, 50)).astype(np.float32)
    assert motion_centre([image, image], InPlane(19.5, 24.5, 1, 1, 16)) == (19.5, 24.5)


def test_the_field_stays_in_a_larger_slice_and_in_the_middle_of_a_smaller_one():
    images, _ = beating((100, 40), (15, 10), (9, 5))
    row, column = motion_centre(images, InPlane(49.5, 19.5, 1.0, 1.0, 48))
    assert row == pytest.approx(23.5)  # rows 0 to 47
    assert column == 19.5


def volumes(centre, spacing=(5.0, 1.0, 1.0), shape=(120, 128)):
    images, masks = beating(shape, centre, (16, 10))
    return [
        Volume(image, mask, None, spacing, f"p_{phase}", "p", phase)
        for phase, image, mask in zip(("ED", "ES"), images, masks, strict=True)
    ]


def prepared(tmp_path, reader, **how):
    folder = prepare(reader, None, Prepare(spacing_mm=1.0, size=48, **how), Store(tmp_path))
    return Prepared.open(folder), folder


def test_both_phases_are_cut_around_the_motion_and_return_to_their_place(tmp_path):
    pair = volumes((35, 85))
    reader: Any = Phases(pair)
    data, folder = prepared(tmp_path, reader, centre="motion", antialias=True)
    masks = np.load(folder / "labels" / "masks.npy")
    assert data.cases[0].geometry == data.cases[1].geometry
    for number, volume in enumerate(pair):
        back = data.cases[number].to_native(masks[data.table.of_volume(number)])
        overlap = 2 * (back & volume.mask).sum() / (back.sum() + volume.mask.sum())
        assert overlap > 0.95  # the grid lies between native pixels
        np.testing.assert_array_equal(
            masks[data.table.of_volume(number)], data.cases[number].geometry.forward(volume.mask, 0, 0)
        )
    still, _ = prepared(tmp_path, reader)
    assert (still.cases[0].geometry.centre_y, still.cases[0].geometry.centre_x) == (59.5, 63.5)


def test_the_phases_of_a_patient_need_not_follow_each_other(tmp_path):
    a, b = volumes((35, 85)), volumes((70, 50))
    b = [Volume(v.image, v.mask, None, v.spacing_mm, f"q_{v.group}", "q", v.group) for v in b]
    data, folder = prepared(tmp_path, Phases([a[0], b[0], a[1], b[1]]), centre="motion")
    assert data.info("p_ED").geometry == data.info("p_ES").geometry != data.info("q_ED").geometry
    native = np.load(folder / "labels" / "native.npy")
    for volume in (*a, *b):
        start = data.info(volume.case).native_offset
        np.testing.assert_array_equal(native[start:][: volume.mask.size], volume.mask.ravel())


@pytest.mark.parametrize("change", ["alone", "shape", "spacing"])
def test_scans_without_a_common_grid_are_centred_on_the_slice(tmp_path, change):
    first, second = volumes((35, 85))
    if change == "shape":
        second = Volume(second.image[:1], second.mask[:1], None, second.spacing_mm, "p_ES", "p", "ES")
    if change == "spacing":
        second = Volume(second.image, second.mask, None, (5.0, 1.1, 1.0), "p_ES", "p", "ES")
    data, _ = prepared(tmp_path, Phases([first] if change == "alone" else [first, second]), centre="motion")
    for case in data.cases:
        assert (case.geometry.centre_y, case.geometry.centre_x) == (59.5, 63.5)


@pytest.mark.parametrize("dataset", ["acdc", "acdc_h5"])
@pytest.mark.real_data
@pytest.mark.skipif("ALSEG_ACDC" not in os.environ, reason="set ALSEG_ACDC to the folder of the ACDC data")
def test_the_quick_field_holds_the_heart_of_every_volume(tmp_path, dataset):
    """Of no volume more than 5 % of the foreground is lost; as acdc_h5, with its nominal spacing."""
    facts = yaml.safe_load((DATASETS / f"{dataset}.yaml").read_text())
    acdc, root = READERS.build("acdc"), Path(os.environ["ALSEG_ACDC"])
    refs = [ref for ref in acdc.scan(root) if int(ref.patient[-3:]) <= 100]

    @dataclasses.dataclass
    class Nominal:
        """The reader of ACDC with the spacing of the dataset in question."""

        labels: ClassVar[tuple[int, ...]] = acdc.labels

        def load(self, ref):
            v = acdc.load(ref)
            spacing = v.spacing_mm if dataset == "acdc" else Wsl4misH5().spacing_mm
            return Volume(v.image, v.mask, None, spacing, v.case, v.patient, v.group, v.attributes)

    plan = construct(Prepare, facts["prepare"]["quick"], "prepare quick")
    reader: Any = Nominal()
    folder = prepare(reader, root, plan, Store(tmp_path), refs=refs)
    data, native = Prepared.open(folder), np.load(folder / "labels" / "native.npy")
    kept = {}
    for info in data.cases:
        shape = (info.depth, *info.native_shape)
        mask = native[info.native_offset :][: np.prod(shape)].reshape(shape) > 0
        field = info.to_native(np.ones((info.depth, plan.size, plan.size), np.uint8)) == 1
        kept[info.case] = (mask & field).sum() / mask.sum()
    assert len(kept) == 200
    assert {case: share for case, share in kept.items() if share < 0.95} == {}
