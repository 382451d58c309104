from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from alseg_core.metrics.surface import surface_scores
from alseg_core.metrics.surface_area import AreaNSD

SPACING = (10.0, 1.5, 2.0)


def box(z: slice, y: slice, x: slice) -> np.ndarray:
    mask = np.zeros((8, 20, 24), dtype=bool)
    mask[z, y, x] = True
    return mask


def cells(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (n, 3) in mm and areas (n,) of the surface cells of a box: faces, cut edges and cut corners.

    A face's cell holds a rectangle, an edge's the rectangle between the middles of its voxel spacings, a corner's the
    triangle between them.
    """
    a, b, c = SPACING
    inside = np.pad(mask, 1)
    places, areas = [], []
    for corner in itertools.product(*(range(n - 1) for n in inside.shape)):
        cell = inside[tuple(slice(at, at + 2) for at in corner)]
        along = [axis for axis in range(3) if (cell.any(axis=axis) == cell.all(axis=axis)).all()]
        if cell.all() or not cell.any():
            continue
        if cell.sum() == 4:  # a face: alike along two axes
            area = math.prod(SPACING[axis] for axis in along)
        elif cell.sum() == 2:  # an edge: alike along one
            across = [SPACING[axis] / 2 for axis in range(3) if axis not in along]
            area = SPACING[along[0]] * math.hypot(*across)
        else:
            assert cell.sum() == 1
            area = math.sqrt((a * b) ** 2 + (b * c) ** 2 + (a * c) ** 2) / 8
        places.append(corner)
        areas.append(area)
    return np.array(places) * np.array(SPACING), np.array(areas)


def slow(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> float:
    """Every surface cell against every other."""
    (at, area), (at_other, area_other) = cells(ours), cells(theirs)
    distance = cdist(at, at_other)
    within = area[distance.min(1) <= tolerance].sum() + area_other[distance.min(0) <= tolerance].sum()
    return float(within / (area.sum() + area_other.sum()))


def test_the_area_of_a_box_is_that_of_its_faces_with_cut_edges_and_corners() -> None:
    _, areas = cells(box(slice(1, 4), slice(3, 15), slice(3, 18)))
    (nz, ny, nx), (a, b, c) = (3, 12, 15), SPACING
    faces = 2 * ((nz - 1) * (ny - 1) * a * b + (ny - 1) * (nx - 1) * b * c + (nz - 1) * (nx - 1) * a * c)
    edges = 2 * ((nz - 1) * a * math.hypot(b, c) + (ny - 1) * b * math.hypot(a, c) + (nx - 1) * c * math.hypot(a, b))
    corners = math.sqrt((a * b) ** 2 + (b * c) ** 2 + (a * c) ** 2)
    assert areas.sum() == pytest.approx(faces + edges + corners)


@pytest.mark.parametrize("seed", range(5))
def test_boxes_against_all_pairs_of_surface_cells(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(2):
        z, y, x = rng.integers(0, 4), rng.integers(0, 8), rng.integers(0, 8)
        masks.append(box(slice(z, z + 4), slice(y, y + rng.integers(4, 12)), slice(x, x + rng.integers(4, 15))))
    assert AreaNSD(tolerance_mm=4.0).score(masks[0], masks[1], SPACING) == pytest.approx(
        slow(masks[0], masks[1], 4.0), rel=1e-5
    )


def test_a_longer_box_agrees_with_a_shorter_one_but_for_the_area_of_the_end() -> None:
    short, long = (box(slice(1, end), slice(2, 18), slice(2, 22)) for end in (3, 4))
    by_area = AreaNSD(tolerance_mm=2.0).score(short, long, SPACING)
    counted = surface_scores(short, long, SPACING, 2.0).nsd
    assert by_area == pytest.approx(slow(short, long, 2.0), rel=1e-5)
    assert abs(by_area - counted) > 0.05  # a voxel of the end has 3 mm², one of the sides 15 or 20


def test_equal_and_empty_structures() -> None:
    plate, empty = box(slice(0, 2), slice(0, 20), slice(3, 15)), box(slice(0, 0), slice(0, 0), slice(0, 0))
    metric = AreaNSD()
    assert metric.score(plate, plate, SPACING) == 1
    assert metric.score(plate, empty, SPACING) == metric.score(empty, plate, SPACING) == 0
    assert math.isnan(metric.score(empty, empty, SPACING))
