"""Where the voxels of a file lie: one geometry from its header, comparison of grids, and the turn to slices."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alseg_core.errors import DataError
from alseg_core.vocabulary import AS_STORED, StoredAxes

SPACING_TOLERANCE = 0.01
"""Relative difference of two spacings that counts as rounding."""
POSITION_TOLERANCE = 0.5
"""Distance that counts as rounding between two places of one voxel, in voxels."""
COARSE = 1.5
"""An axis is clearly the coarsest if its spacing is at least this many times that of both others."""
RIGHT_ANGLE = 3.0
"""Deviation from 90 degrees between two axes that is not called a shear, in degrees."""

SliceAxis = Literal["first", "second", "third", "coarsest", "axial", "coronal", "sagittal"]
"""Which axis counts the slices: one of the stored axes, the one with the largest spacing, or that of a plane."""

PLANES = {"axial": "LPS", "coronal": "LIP", "sagittal": "PIL"}
"""Directions of the columns, the rows and the slices of each plane, as on a radiologist's screen."""

ORDINALS: tuple[SliceAxis, ...] = ("first", "second", "third")
"""Names of the stored axes, in their order."""

OPPOSITE = dict(zip("LRAPIS", "RLPASI", strict=True))


@dataclass(frozen=True, eq=False)
class Grid:
    """The voxel grid of a file. Axes are those of the file, (i, j, k); lengths are mm."""

    shape: tuple[int, int, int]
    """Voxels along each stored axis."""
    spacing: tuple[float, float, float]
    """Distance of voxels along each stored axis."""
    affine: NDArray[np.float64] | None
    """(4, 4) from voxel indices to positions (right, anterior, superior); None where the header knows no position."""

    @property
    def codes(self) -> str:
        """Direction of each stored axis, such as "LPS" (left, posterior, superior); empty without an affine."""
        if self.affine is None:
            return ""
        return _codes(self.affine[:3, :3])

    @property
    def coarsest(self) -> int | None:
        """The stored axis whose spacing is clearly the largest, or None."""
        axis = int(np.argmax(self.spacing))
        others = np.delete(self.spacing, axis)
        return axis if self.spacing[axis] >= COARSE * max(others) else None

    @property
    def silent(self) -> bool:
        """Whether its header says nothing: unit spacing, and no position or the identity."""
        return self.spacing == (1, 1, 1) and (self.affine is None or placeholder(self.affine))


def _codes(rotation: NDArray[np.float64]) -> str:
    """Return the letter of each column's main direction; every letter pair is used once."""
    steps = rotation / np.linalg.norm(rotation, axis=0)
    best = max(itertools.permutations(range(3)), key=lambda rows: sum(abs(steps[row, i]) for i, row in enumerate(rows)))
    return "".join(("RAS" if steps[row, i] > 0 else "LPI")[row] for i, row in enumerate(best))


def placeholder(affine: NDArray[np.float64]) -> bool:
    """Return whether this is the identity, in the coordinates of NIfTI (right, anterior) or of DICOM."""
    return any(np.allclose(affine, plain) for plain in (np.eye(4), np.diag([-1.0, -1.0, 1.0, 1.0])))


def directions(grid: Grid, axes: StoredAxes) -> NDArray[np.float64] | None:
    """Return the unit vectors (3, 3) of slices, rows and columns in their rows; None where the header knows none."""
    if grid.affine is None:
        return None
    steps = (grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)).T[list(axes.order)]
    return np.asarray(steps * np.where(axes.flipped, -1.0, 1.0)[:, None])


def sheared(affine: NDArray[np.float64]) -> float | None:
    """Return the angle between the two axes that are furthest from a right angle, if it is not nearly 90 degrees."""
    steps = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    angles = [
        float(np.degrees(np.arccos(np.clip(steps[:, i] @ steps[:, j], -1, 1)))) for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    worst = max(angles, key=lambda angle: abs(angle - 90))
    return worst if abs(worst - 90) > RIGHT_ANGLE else None


def apart(ours: NDArray[np.float64], theirs: NDArray[np.float64], shape: Sequence[int]) -> float:
    """Return how far the corner voxels of a volume lie apart under two affines, in voxels of ``theirs``."""
    ends = [(0, max(0, length - 1)) for length in shape]
    corners = np.array([[*corner, 1] for corner in itertools.product(*ends)], float).T
    moved = np.linalg.solve(theirs, ours @ corners) - corners
    return float(np.abs(moved[:3]).max())


def difference(ours: Grid, theirs: Grid) -> str | None:
    """Return how the grid of a label file differs from that of its image, or None.

    The shape is not compared. Unit spacing without a position, or with the identity, counts as saying nothing.
    """
    if ours.silent:
        return None
    if not np.allclose(ours.spacing, theirs.spacing, rtol=SPACING_TOLERANCE, atol=0):
        return f"spacing {mm(ours.spacing)} (z, y, x) differs from {mm(theirs.spacing)}"
    if ours.affine is None or theirs.affine is None:
        return None
    if ours.codes != theirs.codes:
        return f"axes {', '.join(ours.codes)} differ from {', '.join(theirs.codes)}"
    voxels = apart(ours.affine, theirs.affine, ours.shape)
    if voxels <= POSITION_TOLERANCE:
        return None
    origins = [", ".join(f"{value:.5g}" for value in grid.affine[:3, 3]) for grid in (ours, theirs)]  # type: ignore[index]
    if origins[0] == origins[1]:
        return f"its rotation differs, by up to {voxels:.2g} voxels, from that"
    return f"origin ({origins[0]}) mm differs from ({origins[1]}), by up to {voxels:.2g} voxels,"


def mm(spacing: Sequence[float]) -> str:
    """Return a spacing along stored axes as text in the order (z, y, x)."""
    return " x ".join(f"{step:.4g}" for step in reversed(spacing)) + " mm"


def stored_axes(grid: Grid, axis: SliceAxis | None) -> StoredAxes:
    """Return how to turn the stored axes of a scan so that ``axis`` counts its slices; None = the third.

    Where the header knows the directions, other axes than the third come in the orientation of their plane
    (:data:`PLANES`), so that scans of one plane look the same however they are stored. Raises DataError, without the
    file's name, where the axis cannot be told.
    """
    if axis in (None, "third"):
        return AS_STORED
    if axis in PLANES:
        if not grid.codes:
            raise DataError(
                f"slice_axis {axis!r} needs the directions of the axes, and the header has none; use first, second, "
                "third or coarsest."
            )
        return _in_plane(grid.codes, PLANES[axis])
    if axis == "coarsest":
        if grid.coarsest is None:
            raise DataError(
                f"slice_axis 'coarsest': no axis of {mm(grid.spacing)} (z, y, x) is clearly the coarsest; name the "
                "plane, such as axial."
            )
        slices = grid.coarsest
    else:
        slices = ORDINALS.index(axis)
    if not grid.codes:
        return StoredAxes((0, 1, 2) if slices == 0 else (1, 2, 0) if slices == 1 else (2, 1, 0))
    return _in_plane(grid.codes, PLANES[plane_across(grid.codes[slices])])


def plane_across(direction: str) -> str:
    """Return the plane whose slices lie along a direction, such as "axial" for "S"."""
    return next(plane for plane, codes in PLANES.items() if codes[2] in (direction, OPPOSITE[direction]))


def turned_codes(codes: str, axes: StoredAxes) -> str:
    """Return the directions of (columns, rows, slices), given those of the stored axes."""
    pairs = zip(reversed(axes.order), reversed(axes.flipped), strict=True)
    return "".join(OPPOSITE[codes[axis]] if flipped else codes[axis] for axis, flipped in pairs)


def _in_plane(codes: str, wanted: str) -> StoredAxes:
    """Return the axes (slices, rows, columns) with the directions ``wanted`` (columns, rows, slices)."""
    order = [
        next(i for i, code in enumerate(codes) if code in (letter, OPPOSITE[letter])) for letter in reversed(wanted)
    ]
    flipped = [codes[axis] != letter for axis, letter in zip(order, reversed(wanted), strict=True)]
    return StoredAxes((order[0], order[1], order[2]), (flipped[0], flipped[1], flipped[2]))
