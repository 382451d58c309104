from __future__ import annotations

import numpy as np
import pytest
import torch

from alseg_core.data.in_plane import InPlane
from alseg_core.data.prepare import Prepare


def whole(length, size):
    """The grid that divides square slices evenly."""
    return Prepare(crop_fraction=1.0, size=size).geometry((length, length), (1, 1))


@pytest.mark.parametrize(("length", "size"), [(64, 48), (60, 20), (97, 31), (40, 16)])
def test_shrinking_is_that_of_torch(length, size):
    image = np.random.default_rng(length).random((2, length, length), dtype=np.float32)
    got = whole(length, size).forward(image, 1, 0, antialias=True)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(image)[None], size=(size, size), mode="bilinear", antialias=True
    )
    np.testing.assert_allclose(got, expected[0].numpy(), atol=1e-5)
    assert got.dtype == np.float32


def test_shrinking_an_off_centre_field_is_its_weighted_mean():
    """Pixel by pixel from the formula; the field sticks out of the slice on two sides."""
    image = np.random.default_rng(0).random((1, 30, 26), dtype=np.float32)
    grid = InPlane(8.3, 20.1, 2.3, 1.7, 9)
    expected = np.full((9, 9), -5.0)
    for i in range(9):
        for j in range(9):
            y, x = grid.centre_y + (i - 4) * grid.step_y, grid.centre_x + (j - 4) * grid.step_x
            if not (-0.5 <= y < 29.5 and -0.5 <= x < 25.5):
                continue
            rows = np.maximum(0, 1 - abs(np.arange(30) - y) / grid.step_y)
            columns = np.maximum(0, 1 - abs(np.arange(26) - x) / grid.step_x)
            weights = np.outer(rows, columns)
            expected[i, j] = (weights * image[0]).sum() / weights.sum()
    np.testing.assert_allclose(grid.forward(image, 1, -5, antialias=True)[0], expected, atol=1e-5)
    assert (expected == -5).any()
    assert (expected != -5).any()


def test_detail_finer_than_the_grid_vanishes_and_the_mean_stays():
    board = (np.indices((60, 60)).sum(axis=0) % 2).astype(np.float32)[None]
    grid = whole(60, 20)
    smooth, plain = grid.forward(board, 1, 0, antialias=True), grid.forward(board, 1, 0)
    assert plain.std() == pytest.approx(0.5), "every third pixel of a chessboard is a chessboard again"
    assert smooth[:, 1:-1, 1:-1].std() < 0.06
    assert smooth.mean() == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("period", [2.2, 2.6])
def test_a_wave_beyond_the_limit_of_the_grid_loses_its_strength(period):
    """Shrunk by 3, waves shorter than 6 pixels would come back as longer ones."""
    wave = np.sin(2 * np.pi * np.arange(120) / period).astype(np.float32)
    image = np.broadcast_to(wave, (1, 120, 120)).copy()
    grid = whole(120, 40)
    assert grid.forward(image, 1, 0).std() > 0.4
    assert grid.forward(image, 1, 0, antialias=True)[:, :, 1:-1].std() < 0.08


def test_a_wave_that_the_grid_can_hold_stays():
    wave = np.sin(2 * np.pi * np.arange(120) / 40).astype(np.float32)
    image = np.broadcast_to(wave, (1, 120, 120)).copy()
    shrunk = whole(120, 40).forward(image, 1, 0, antialias=True)[0, 20]
    expected = np.sin(2 * np.pi * (np.arange(40) * 3 + 1) / 40)
    np.testing.assert_allclose(shrunk[1:-1], expected[1:-1], atol=0.04)


def test_a_constant_stays_constant_up_to_the_border():
    image = np.full((1, 50, 70), 0.7, np.float32)
    got = Prepare(crop_fraction=1.0, size=16).geometry((50, 70), (1, 1)).forward(image, 1, 0, antialias=True)
    np.testing.assert_allclose(got, 0.7, atol=1e-6)


def test_growing_and_nearest_neighbour_are_untouched_by_smoothing():
    image = np.random.default_rng(1).random((1, 20, 20), dtype=np.float32)
    large, small = whole(20, 32), whole(20, 8)
    np.testing.assert_array_equal(large.forward(image, 1, 0, antialias=True), large.forward(image, 1, 0))
    np.testing.assert_array_equal(small.forward(image, 0, 0, antialias=True), small.forward(image, 0, 0))


@pytest.mark.parametrize("centre", [(20.0, 31.0), (11.3, 40.7), (0.4, 50.2)])
def test_labels_of_an_off_centre_field_return_to_their_place(centre):
    """With pixels of native size every label inside the field comes back, and none outside it."""
    shape = (48, 52)
    labels = np.random.default_rng(2).integers(1, 4, (2, *shape)).astype(np.uint8)
    grid = Prepare(spacing_mm=1.0, size=16).geometry(shape, (1.0, 1.0), centre)
    back = grid.backward(grid.forward(labels, 0, 0), shape)
    inside = np.zeros(shape, bool)
    y, x = np.indices(shape)
    offset_y, offset_x = y - centre[0], x - centre[1]
    inside[(abs(offset_y) < 7.4) & (abs(offset_x) < 7.4)] = True
    outside = (abs(offset_y) > 8.6) | (abs(offset_x) > 8.6)
    np.testing.assert_array_equal(back[:, inside], labels[:, inside])
    assert not back[:, outside].any()
