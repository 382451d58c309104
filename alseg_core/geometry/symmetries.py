"""The symmetries of a square and of a rectangle, which map the grid of an image onto itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # strategies are listed without waiting for torch
    from torch import Tensor

SQUARE = 8
"""Number of symmetries of a square; a rectangle with two lengths has half of them."""


@dataclass(frozen=True)
class Symmetry:
    """Mirroring of left and right, if ``mirrored``, then ``turns`` quarter turns counter-clockwise."""

    turns: int
    mirrored: bool

    def apply(self, images: Tensor) -> Tensor:
        """Return images (..., H, W), mirrored and turned."""
        images = images.flip(-1) if self.mirrored else images
        return images.rot90(self.turns, (-2, -1))

    def undo(self, maps: Tensor) -> Tensor:
        """Return maps (..., H, W) of images that :meth:`apply` gave on the grid of the original images."""
        maps = maps.rot90(-self.turns, (-2, -1))
        return maps.flip(-1) if self.mirrored else maps


def symmetries(size: tuple[int, int]) -> tuple[Symmetry, ...]:
    """Return the symmetries of an image of ``size`` (rows, columns), the identity first: eight of a square, else four.

    Quarter turns exchange rows and columns, so only a square image has them.
    """
    turns = range(4) if size[0] == size[1] else (0, 2)
    return tuple(Symmetry(turn, mirrored) for mirrored in (False, True) for turn in turns)


def draw_symmetries(size: tuple[int, int], count: int, rng: np.random.Generator) -> tuple[Symmetry, ...]:
    """Draw ``count`` different symmetries of an image of ``size`` (rows, columns); all of them if it has no more."""
    known = symmetries(size)
    return tuple(known[i] for i in np.sort(rng.permutation(len(known))[:count]))
