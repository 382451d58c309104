from __future__ import annotations

import numpy as np
import pytest
import torch

from alseg_core.geometry.symmetries import SQUARE, draw_symmetries, symmetries


@pytest.mark.parametrize(("size", "count"), [((5, 5), SQUARE), ((4, 6), SQUARE // 2)])
def test_all_differ_keep_the_grid_and_are_undone(size: tuple[int, int], count: int) -> None:
    images = torch.rand(2, 3, *size)
    found = [symmetry.apply(images) for symmetry in symmetries(size)]
    assert len({image.contiguous().numpy().tobytes() for image in found}) == len(found) == count
    assert torch.equal(found[0], images)
    for symmetry, turned in zip(symmetries(size), found, strict=True):
        assert turned.shape == images.shape
        assert torch.equal(symmetry.undo(turned), images)
        assert torch.equal(turned.flatten().sort().values, images.flatten().sort().values)


def test_a_square_has_all_the_isometries_that_keep_it() -> None:
    """Every way to put the corners of a square back on its corners that keeps neighbours next to one another."""
    corners = torch.arange(4).view(2, 2)  # 0 is next to 1 and 2, and across from 3
    found = {tuple(symmetry.apply(corners).flatten().tolist()) for symmetry in symmetries((2, 2))}
    assert len(found) == SQUARE
    assert all(first + last == 3 and second + third == 3 for first, second, third, last in found)


def test_draws_differ_come_from_the_generator_and_end_with_all() -> None:
    draws = [draw_symmetries((4, 4), 3, np.random.default_rng(seed)) for seed in (0, 0, *range(1, 60))]
    assert all(len(set(draw)) == 3 for draw in draws) and draws[0] == draws[1]
    assert {symmetry for draw in draws for symmetry in draw} == set(symmetries((4, 4)))
    assert draw_symmetries((4, 4), 40, np.random.default_rng(0)) == symmetries((4, 4))
