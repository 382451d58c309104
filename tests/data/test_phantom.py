from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from alseg_core.data.readers import READERS


@pytest.fixture(scope="module")
def volumes():
    reader = READERS.build("phantom")
    return [reader.load(ref) for ref in reader.scan(None)]


def test_generation_is_quick_and_repeatable(volumes):
    start = time.process_time()
    reader = READERS.build({"name": "phantom", "patients": 24})
    again = [reader.load(ref) for ref in reversed(reader.scan(None))][::-1]
    assert time.process_time() - start < 5  # about 1 s on a free core
    for one, two in zip(volumes, again, strict=True):
        np.testing.assert_array_equal(one.image, two.image)
        np.testing.assert_array_equal(one.mask, two.mask)


def test_seed_changes_the_anatomy(volumes):
    reader = READERS.build({"name": "phantom", "seed": 1})
    assert reader.load(reader.scan(None)[0]).image.tobytes() != volumes[0].image.tobytes()


def test_make_up(volumes):
    assert len(volumes) == 48
    assert len({v.patient for v in volumes}) == 24
    assert {v.group for v in volumes} == {"ED", "ES"}
    assert len({v.attributes["pathology"] for v in volumes}) == 3
    assert len({v.spacing_mm for v in volumes}) == 24
    assert {len(v.image) for v in volumes} >= {13, 15, 17}
    for volume in volumes:
        depth, height, width = volume.image.shape
        assert 10 <= depth <= 20
        assert 96 <= min(height, width) <= max(height, width) <= 128
        assert volume.image.dtype == np.float32
        assert volume.scribble is None
        assert set(np.unique(volume.mask)) == {0, 1, 2, 3}
        assert not volume.mask[:3].any()
        assert not volume.mask[-3:].any()


def test_third_class_is_rare(volumes):
    slices = [mask for volume in volumes for mask in volume.mask]
    holds = np.mean([[(mask == label).any() for label in range(4)] for mask in slices], axis=0)
    assert 0.15 < holds[3] < 0.3 < 0.35 < holds[1] < 0.5
    pixels = np.sum([[(mask == label).sum() for label in range(4)] for mask in slices], axis=0)
    assert pixels[3] < 0.5 * min(pixels[1], pixels[2])


def test_neighbouring_slices_are_alike_and_patients_differ(volumes):
    def dice(a, b):
        return 2 * (a & b).sum() / (a.sum() + b.sum())

    near, far = [], []
    middles = []
    for volume in volumes[::2]:
        inside = [i for i in range(len(volume.mask)) if volume.mask[i].any()]
        middle = inside[len(inside) // 2]
        near.append(dice(volume.mask[middle] == 2, volume.mask[middle - 1] == 2))
        middles.append(volume.mask[middle, :96, :96] == 2)
    far = [dice(a, b) for a, b in itertools.pairwise(middles)]
    assert np.mean(near) > np.mean(far) + 0.2


def test_intensity_scale_differs_between_scans(volumes):
    top = [np.percentile(volume.image, 99) for volume in volumes]
    assert max(top) > 2 * min(top)


def test_no_intensity_threshold_finds_the_cavity(volumes):
    best = []
    for volume in volumes[:8]:
        truth = volume.mask == 1
        cuts = np.percentile(volume.image, np.linspace(50, 99.5, 40))
        found = [volume.image > cut for cut in cuts]
        best.append(max(2 * (truth & bright).sum() / (truth.sum() + bright.sum()) for bright in found))
    assert np.mean(best) < 0.8
