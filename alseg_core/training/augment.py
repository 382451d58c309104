"""Batched augmentation of images and labels on their device, with the published distribution."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from alseg_core.registry import component

Probability = Annotated[float, Field(ge=0, le=1)]


@component
class Augment:
    """Random quarter turns with flips, or else random small rotations, of images and labels alike.

    Sampling is nearest neighbour, so labels stay labels; pixels from outside become 0 in images and ``fill`` in labels.
    """

    rotate_flip: Probability = 0.5
    """Probability of a rotation by a random multiple of 90 degrees, with a flip in half of the cases."""
    rotate: Probability = 0.5
    """Probability of a rotation by a random angle, where there was no quarter turn."""
    degrees: Annotated[float, Field(ge=0, le=180)] = 20.0
    """Largest rotation by a random angle, in degrees."""

    def matrices(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw maps (count, 2, 2) float32 from centred output (y, x) to centred input (y, x)."""
        quarter = rng.integers(0, 4, count) * (math.pi / 2)
        flip_rows = rng.random(count) < 0.5
        tilt = np.deg2rad(rng.uniform(-self.degrees, self.degrees, count))
        squared = rng.random(count) < self.rotate_flip
        tilted = ~squared & (rng.random(count) < self.rotate)
        angle = np.where(squared, quarter, np.where(tilted, tilt, 0.0))
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
        sign = np.ones((count, 2))
        sign[squared & flip_rows, 0] = -1.0
        sign[squared & ~flip_rows, 1] = -1.0
        return (turn * sign[:, :, None]).astype(np.float32)

    def __call__(self, images: Tensor, labels: Tensor, fill: int, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return augmented images (B, C, S, S) and labels (B, S, S).

        maps: (B, 2, 2) of :meth:`matrices`, on the device of the images, one per slice.
        """
        batch, channels, rows, columns = images.shape
        y = torch.arange(rows, device=images.device) - (rows - 1) / 2
        x = torch.arange(columns, device=images.device) - (columns - 1) / 2
        grid = torch.stack(torch.meshgrid(y, x, indexing="ij")).reshape(2, -1)
        source = maps @ grid
        from_y = (source[:, 0] + (rows - 1) / 2).round_().long()
        from_x = (source[:, 1] + (columns - 1) / 2).round_().long()
        inside = (from_y >= 0) & (from_y < rows) & (from_x >= 0) & (from_x < columns)
        flat = (from_y * columns + from_x).clamp_(0, rows * columns - 1)
        moved = images.flatten(2).gather(2, flat.unsqueeze(1).expand(-1, channels, -1)) * inside.unsqueeze(1)
        marked = labels.flatten(1).gather(1, flat).masked_fill_(~inside, fill)
        return moved.view(batch, channels, rows, columns), marked.view(batch, rows, columns)
