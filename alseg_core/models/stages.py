"""Kernels and strides of a 3D U-Net, planned from the spacing and the extent of its input."""

from __future__ import annotations

from dataclasses import dataclass

Axes = tuple[int, int, int]
"""One number per axis (z, y, x)."""

SMALLEST_MAP = 4
"""Voxels along an axis below which it is not pooled further."""
SIMILAR = 2.0
"""Ratio of spacings below which two axes are treated alike."""
FEWEST_LEVELS = 3
"""Levels of the smallest network."""


@dataclass(frozen=True)
class Stages:
    """Kernels and strides of every level, finest first; the stride of the finest is 1."""

    kernels: tuple[Axes, ...]
    strides: tuple[Axes, ...]


def plan_stages(spacing_mm: tuple[float, float, float], shape: Axes, most: int) -> Stages:
    """Plan at most ``most`` levels, at least 3, for volumes of ``shape`` voxels (z, y, x).

    An axis is halved while its spacing is less than twice the finest of the axes that can be halved, and at least 4
    voxels are left; a single axis, only while 6 are left. A kernel has 3 voxels along an axis from the level on where
    its spacing is less than twice the finest, before that 1; at the deepest level it has 3 along all axes. Rows and
    columns are halved at least twice, however few they are. Source: Isensee et al., Nature Methods 2021, supplement.
    """
    spacing, extent, kernel = list(spacing_mm), list(shape), [1, 1, 1]
    kernels: list[Axes] = []
    strides: list[Axes] = [(1, 1, 1)]
    while len(strides) < most:
        pooled = _to_halve(spacing, extent)
        if not pooled and len(strides) < FEWEST_LEVELS:
            pooled = [1, 2]
        if not pooled:
            break
        kernels.append(_kernel(spacing, kernel))
        strides.append(_axes([2 if axis in pooled else 1 for axis in range(3)]))
        for axis in pooled:
            spacing[axis], extent[axis] = 2 * spacing[axis], -(-extent[axis] // 2)
    return Stages((*kernels, (3, 3, 3)), tuple(strides))


def _to_halve(spacing: list[float], extent: list[int]) -> list[int]:
    """Return the axes that the next level halves."""
    able = [axis for axis in range(3) if extent[axis] >= 2 * SMALLEST_MAP]
    finest = min((spacing[axis] for axis in able), default=0.0)
    chosen = [axis for axis in able if spacing[axis] < SIMILAR * finest]
    if len(chosen) == 1 and extent[chosen[0]] < 3 * SMALLEST_MAP:
        return []
    return chosen


def _kernel(spacing: list[float], kernel: list[int]) -> Axes:
    """Return the kernel of a level, and keep it in ``kernel``: what has become 3 stays 3."""
    for axis in range(3):
        if spacing[axis] < SIMILAR * min(spacing):
            kernel[axis] = 3
    return _axes(kernel)


def _axes(values: list[int]) -> Axes:
    z, y, x = values
    return z, y, x
