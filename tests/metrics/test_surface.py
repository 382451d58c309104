from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import cdist

from alseg_core.metrics.surface import surface_scores

SPACING = (10.0, 1.5, 2.0)


def box(z: slice, y: slice, x: slice) -> np.ndarray:
    mask = np.zeros((6, 20, 24), dtype=bool)
    mask[z, y, x] = True
    return mask


def slow(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> tuple[float, float, float]:
    """Every surface voxel against every other, in mm."""
    points = [np.argwhere(m & ~binary_erosion(m)) * np.array(SPACING) for m in (ours, theirs)]
    d = cdist(*points)
    there, back = d.min(1), d.min(0)
    both = np.concatenate([there, back])
    return max(np.percentile(there, 95), np.percentile(back, 95)), both.mean(), (both <= tolerance).mean()


def test_a_shifted_plate_is_one_step_away_in_each_direction() -> None:
    plate = box(slice(2, 3), slice(3, 15), slice(3, 15))
    along_z = surface_scores(plate, box(slice(3, 4), slice(3, 15), slice(3, 15)), SPACING, 2.0)
    assert (along_z.hd95_mm, along_z.assd_mm, along_z.nsd) == (10, 10, 0)
    along_y = surface_scores(plate, box(slice(2, 3), slice(4, 16), slice(3, 15)), SPACING, 2.0)
    assert along_y.hd95_mm == pytest.approx(1.5)
    assert along_y.nsd == 1


def test_equal_shapes() -> None:
    plate = box(slice(1, 4), slice(3, 15), slice(3, 15))
    scores = surface_scores(plate, plate, SPACING, 1.0)
    assert (scores.hd95_mm, scores.assd_mm, scores.nsd) == (0, 0, 1)


@pytest.mark.parametrize("seed", range(5))
def test_against_all_pairs_of_surface_voxels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(2):
        z, y, x = rng.integers(0, 3), rng.integers(0, 8), rng.integers(0, 8)
        masks.append(box(slice(z, z + 3), slice(y, y + rng.integers(4, 12)), slice(x, x + rng.integers(4, 15))))
    scores = surface_scores(masks[0], masks[1], SPACING, 4.0)
    assert (scores.hd95_mm, scores.assd_mm, scores.nsd) == pytest.approx(slow(masks[0], masks[1], 4.0), rel=1e-5)


def test_empty_policy() -> None:
    empty, plate = np.zeros((6, 20, 24), dtype=bool), box(slice(1, 4), slice(3, 15), slice(3, 15))
    both = surface_scores(empty, empty, SPACING, 2.0)
    assert all(math.isnan(v) for v in (both.hd95_mm, both.assd_mm, both.nsd))
    diagonal = math.sqrt((6 * 10) ** 2 + (20 * 1.5) ** 2 + (24 * 2) ** 2)
    for one in (surface_scores(empty, plate, SPACING, 2.0), surface_scores(plate, empty, SPACING, 2.0)):
        assert (one.hd95_mm, one.assd_mm) == pytest.approx((diagonal, diagonal)) and one.nsd == 0
