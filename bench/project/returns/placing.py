"""Labels onto the grid of their image: by where the headers say that the voxels lie, never by position in the array.

What headers do not show cannot be seen here: labels that a program has mirrored without saying so, and those of another
scan on the very same grid.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alseg_core.data.grid import POSITION_TOLERANCE, SPACING_TOLERANCE, Grid, apart, mm
from alseg_core.errors import DataError
from bench.project.manifest import Scan

BETWEEN = 0.1
"""Distance of the voxel centres of a cropped file from those of its image that counts as rounding, in voxels.

A file of the same shape can only mean one place, so there it is half a voxel. A cropped file can mean any, and half a
voxel would always be within reach.
"""

NOTED = 0.05
"""Distance of the voxel centres from those of the image that is worth a note, in voxels."""

AGAINST = "axes run against those of the scan, whose header tells no position; it was taken voxel by voxel"
BY_VOXELS = "header tells no position; it was taken voxel by voxel, as --by-voxels says"
UNPLACED = (
    "its header tells no position, so nobody can see whether it is mirrored or turned; save it from a program that "
    "keeps the position of the scan, or, if its voxels lie as in the scan, add --by-voxels."
)


def placed(
    voxels: NDArray[Any], grid: Grid, scan: Scan, *, cropped: bool, outside: float, by_voxels: bool = False
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return labels on the stored grid of a scan, and notes.

    A file of another shape than the scan is pasted to where its header says that it lies.

    Args:
        voxels: (I, J, K) values of the file.
        grid: that of the file.
        scan: its axes may run in another order and direction than those of the file.
        cropped: whether files of this kind cover a part of the scan, or more than it, as a rule.
        outside: value of a voxel that is not labelled, for what the file does not cover.
        by_voxels: whether the voxels of a file without a position lie as those of a scan that has one.

    Raises DataError, without the file's name, saying what differs: shape, spacing, rotation or origin; or that the scan
    has a position and the file none.
    """
    located = scan.affine is not None and not scan.grid.silent
    if grid.affine is None or (grid.silent and located and not cropped):
        _check_shape(voxels.shape, scan)
        if not grid.silent:
            _check_spacing(grid.spacing, scan)
        if located and not by_voxels:
            raise DataError(UNPLACED)
        return voxels, (BY_VOXELS,) if located else ()
    order, flipped = _turn(scan.placed, grid.affine)
    turned = _along(voxels, order, flipped)
    affine = _affine_along(grid.affine, voxels.shape, order, flipped)
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    if cropped and turned.size == 1 and not (turned != outside).any():  # an empty segmentation, anywhere
        return np.full(scan.shape, outside, voxels.dtype), ()
    if scan.affine is None and order == (0, 1, 2) and not cropped:  # the program that saved it has invented a position
        _check_shape(voxels.shape, scan)
        _check_spacing(grid.spacing, scan)
        return voxels, (AGAINST,) if any(flipped) else ()
    _check_spacing(steps.tolist(), scan)
    if cropped or (located and turned.shape != scan.shape):
        whole, notes = _pasted(turned, affine, scan, outside)
        return whole, notes if cropped else (_part(turned.shape, scan), *notes)
    _check_shape(turned.shape, scan)
    far = apart(affine, scan.placed, scan.shape)
    if far > POSITION_TOLERANCE:
        ways = ", ".join(grid.codes), ", ".join(scan.grid.codes)
        mirrored = f"its axes run {ways[0]}, those of the image {ways[1]}; " if ways[0] != ways[1] else ""
        raise DataError(f"{mirrored}{_offset(affine, scan, far)}")
    return turned, _off(affine, scan.placed, scan.shape, far)


def _turn(
    ours: NDArray[np.float64], theirs: NDArray[np.float64]
) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Return which axis of ``theirs`` runs along each axis of ``ours``, and whether against it."""
    units = [affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0) for affine in (ours, theirs)]
    cosines = units[0].T @ units[1]
    order = max(itertools.permutations(range(3)), key=lambda axes: sum(abs(cosines[i, j]) for i, j in enumerate(axes)))
    against = [bool(cosines[i, j] < 0) for i, j in enumerate(order)]
    return (order[0], order[1], order[2]), (against[0], against[1], against[2])


def _along(voxels: NDArray[Any], order: tuple[int, int, int], flipped: tuple[bool, bool, bool]) -> NDArray[Any]:
    return voxels.transpose(order)[tuple(slice(None, None, -1 if turned else 1) for turned in flipped)]


def _affine_along(
    affine: NDArray[np.float64], shape: tuple[int, ...], order: tuple[int, int, int], flipped: tuple[bool, bool, bool]
) -> NDArray[np.float64]:
    """Return the affine of the array that :func:`_along` returns."""
    found = affine.copy()
    for axis, (source, turned) in enumerate(zip(order, flipped, strict=True)):
        found[:3, axis] = -affine[:3, source] if turned else affine[:3, source]
        if turned:
            found[:3, 3] += affine[:3, source] * (shape[source] - 1)
    return found


def _pasted(
    voxels: NDArray[Any], affine: NDArray[np.float64], scan: Scan, outside: float
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the voxels of a part in an array of the whole, and notes."""
    middle = (np.array(voxels.shape) - 1) / 2
    there = np.linalg.solve(scan.placed, affine @ [*middle, 1.0])[:3]
    start = np.round(there - middle).astype(int)
    moved = scan.placed.copy()
    moved[:3, 3] = (scan.placed @ [*start, 1.0])[:3]
    far = apart(affine, moved, voxels.shape)
    same = voxels.shape == scan.shape and not start.any()
    if far > (POSITION_TOLERANCE if same else BETWEEN):
        raise DataError(_offset(affine, scan, far))
    whole = np.full(scan.shape, outside, voxels.dtype, order="F")  # as files have it
    cut, into = [], []
    for first, length, most in zip(start.tolist(), voxels.shape, scan.shape, strict=True):
        low, high = max(first, 0), min(first + length, most)
        cut.append(slice(low - first, max(high, low) - first))
        into.append(slice(low, max(high, low)))
    part = voxels[tuple(cut)]
    lost = int((voxels != outside).sum()) - int((part != outside).sum())
    if lost:
        raise DataError(
            f"{lost} of its labelled voxels lie outside the image: {_origins(affine, scan)}. Is it of another scan, or "
            "of one that was moved?"
        )
    whole[tuple(into)] = part
    return whole, _off(affine, moved, voxels.shape, far)


def _off(
    affine: NDArray[np.float64], there: NDArray[np.float64], shape: tuple[int, ...], far: float
) -> tuple[str, ...]:
    """Return a note if voxels are taken for others that lie ``far`` off, in voxels."""
    if far <= NOTED:
        return ()
    corners = np.array([[*corner, 1] for corner in itertools.product(*((0, length - 1) for length in shape))]).T
    distance = float(np.linalg.norm(((affine - there) @ corners)[:3], axis=0).max())
    return (
        f"its voxels lie up to {far:.2g} voxels ({distance:.2g} mm) off those of the scan, and were taken as if they "
        "lay on them; was it saved on another grid?",
    )


def _part(shape: tuple[int, ...], scan: Scan) -> str:
    theirs, ours = (" x ".join(map(str, reversed(lengths))) for lengths in (shape, scan.shape))
    return (
        f"it has {theirs} voxels (z, y, x) and the scan {ours}; it was placed by its position, and what it does not "
        "cover counts as not drawn"
    )


def _check_shape(shape: tuple[int, ...], scan: Scan) -> None:
    if tuple(shape) != tuple(scan.shape):
        theirs, ours = (" x ".join(map(str, reversed(lengths))) for lengths in (shape, scan.shape))
        raise DataError(
            f"it has {theirs} voxels (z, y, x) and the image {ours}; save it on the whole grid of the image, or is it "
            "of another scan?"
        )


def _check_spacing(spacing: tuple[float, ...] | list[float], scan: Scan) -> None:
    if not np.allclose(spacing, scan.spacing_mm, rtol=SPACING_TOLERANCE, atol=0):
        raise DataError(
            f"spacing {mm(spacing)} (z, y, x) differs from {mm(scan.spacing_mm)} of the image; save it on the grid of "
            "the image, or is it of another scan?"
        )


def _offset(affine: NDArray[np.float64], scan: Scan, far: float) -> str:
    units = [found[:3, :3] / np.linalg.norm(found[:3, :3], axis=0) for found in (affine, scan.placed)]
    cosines = np.clip((units[0] * units[1]).sum(axis=0), -1, 1)
    angle = float(np.degrees(np.arccos(cosines)).max())
    if angle > 0.1:
        return f"rotation: its axes are turned by {angle:.2g} degrees, so that voxels lie up to {far:.2g} voxels off."
    return (
        f"{_origins(affine, scan)}; voxels lie up to {far:.2g} voxels off. Save it on the grid of the image, or is "
        "it of another scan?"
    )


def _origins(affine: NDArray[np.float64], scan: Scan) -> str:
    theirs, ours = (", ".join(f"{value:.5g}" for value in found[:3, 3]) for found in (affine, scan.placed))
    return f"origin ({theirs}) mm, that of the image ({ours})"
