"""Lengths of outlines and strokes, and moved outlines, against circles and straight lines."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alseg_core.geometry.outlines import depth_mm, moved, outline_mm, stroke_mm
from alseg_core.vocabulary import IGNORE

PIXELS = [(1.0, 1.0), (1.5, 1.0), (0.7, 1.4)]


def places(pixel_mm, side_mm=70.0, centre=(0.37, 0.21)):
    """Distances (y, x) of pixel centres from a point near the middle, in mm."""
    return np.meshgrid(
        *[
            (np.arange(round(side_mm / size)) - side_mm / size / 2 + part) * size
            for size, part in zip(pixel_mm, centre, strict=True)
        ],
        indexing="ij",
    )


@pytest.mark.parametrize("pixel_mm", PIXELS)
@pytest.mark.parametrize("radius", [12, 20, 28])
def test_the_outline_of_a_disc_is_its_circumference(pixel_mm, radius):
    y, x = places(pixel_mm)
    disc = (np.hypot(y, x) < radius).astype(np.uint8)
    assert outline_mm(disc, pixel_mm) == pytest.approx(2 * math.pi * radius, rel=0.02)


def test_a_line_that_two_structures_share_counts_once():
    y, x = places((0.5, 0.5))
    disc = np.hypot(y, x) < 20
    halves = np.where(disc, np.where(x * math.cos(0.4) + y * math.sin(0.4) > 0, 1, 2), 0).astype(np.uint8)
    assert outline_mm(halves, (0.5, 0.5)) == pytest.approx(2 * math.pi * 20 + 2 * 20, rel=0.03)


def test_a_slice_without_structures_has_no_outline_and_one_full_of_one_has_its_border():
    assert outline_mm(np.zeros((20, 30), np.uint8), (1, 1)) == 0
    whole = outline_mm(np.ones((200, 300), np.uint8), (2, 1))
    assert whole == pytest.approx(2 * (400 + 300), rel=0.1)  # along the grid, four directions are at their worst


@pytest.mark.parametrize("pixel_mm", [(1.0, 1.0), (1.5, 1.0)])
@pytest.mark.parametrize("angle", [0, 0.4, math.pi / 4, math.pi / 2, 2])
def test_a_stroke_is_as_long_as_its_centre_line(pixel_mm, angle):
    y, x = places(pixel_mm, 100)
    along, aside = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    labels = np.full(y.shape, IGNORE, np.uint8)
    labels[(abs(along) < 20) & (abs(aside) < max(pixel_mm))] = 2
    assert stroke_mm(labels, pixel_mm) == pytest.approx(40, rel=0.15)
    assert stroke_mm(np.full((9, 9), IGNORE, np.uint8), pixel_mm) == 0


def test_strokes_of_all_classes_count_and_a_dot_is_a_pixel_long():
    labels = np.full((30, 30), IGNORE, np.uint8)
    labels[3, 2:12] = 0
    labels[10:20, 5] = 1
    labels[25, 25] = 2
    assert stroke_mm(labels, (2.0, 0.5)) == pytest.approx(9 * 0.5 + 9 * 2.0 + 1.0)


@pytest.mark.parametrize("pixel_mm", PIXELS)
def test_depth_is_the_distance_to_a_circle(pixel_mm):
    y, x = places(pixel_mm)
    depth = depth_mm(np.hypot(y, x) < 20, pixel_mm)
    error = depth - (20 - np.hypot(y, x))
    assert abs(error.mean()) < 0.1 * max(pixel_mm)
    assert abs(error).max() < max(pixel_mm)
    assert (depth_mm(np.zeros((3, 3), bool), pixel_mm) == -np.inf).all()
    assert (depth_mm(np.ones((3, 3), bool), pixel_mm) == np.inf).all()


@pytest.mark.parametrize("pixel_mm", PIXELS)
def test_a_disc_grows_and_shrinks_by_the_shift(pixel_mm):
    rng, errors = np.random.default_rng(0), []
    for _ in range(25):
        y, x = places(pixel_mm, centre=rng.random(2))
        disc = (np.hypot(y, x) < rng.uniform(12, 22)).astype(np.uint8)
        by = rng.uniform(-4, 4)
        shift = np.zeros((2, *disc.shape))
        shift[0] = -2 * by
        grown = moved(disc, shift, pixel_mm)
        before, after = (math.sqrt(m.sum() * pixel_mm[0] * pixel_mm[1] / math.pi) for m in (disc, grown))
        errors.append(after - before - by)
    assert abs(np.mean(errors)) < 0.15 * max(pixel_mm)
    assert np.max(np.abs(errors)) < 0.6 * max(pixel_mm)


def test_neighbours_share_the_line_that_moves_and_absent_classes_stay_absent():
    labels = np.zeros((40, 60), np.uint8)
    labels[10:30, 10:30], labels[10:30, 30:50] = 1, 3
    shift = np.zeros((4, 40, 60))
    shift[1], shift[2] = 4.8, 99
    out = moved(labels, shift, (1, 1))
    assert set(np.unique(out)) == {0, 1, 3}
    row = out[20]
    assert (row[10:32] == 1).all()  # 2.4 mm towards the background on the left and the neighbour on the right
    assert (row[33:50] == 3).all()
    assert (row[8:10] == 1).all()
    assert row[6] == 0
