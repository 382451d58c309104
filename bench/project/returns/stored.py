"""Label files of three kinds, each as voxels on a grid: NIfTI, NRRD, and segmentations of 3D Slicer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alseg_core.data.grid import Grid, difference
from alseg_core.data.nifti import Source, read_grid, stored_voxels
from alseg_core.errors import DataError, some
from bench.project.manifest import Manifest, Scan

AUTOMATIC = re.compile(r"(segment|label|seg)?[ _-]*\d*", re.IGNORECASE)
"""Names that programs give to segments, such as "Segment_1", beside those that begin with the name of the file."""
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From (left, posterior, superior) to (right, anterior, superior), and back."""


@dataclass(frozen=True, eq=False)
class Stored:
    """The voxels of a file."""

    voxels: NDArray[Any]
    """Values as the manifest has them, along the stored axes (I, J, K)."""
    grid: Grid
    cropped: bool = False
    """Whether the file may cover a part of the image alone."""
    claimed: NDArray[np.uint8] | None = None
    """How many segments cover each voxel, (I, J, K); None in files without segments."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Segment:
    """A segment of a segmentation of 3D Slicer."""

    name: str
    value: int
    layer: int


def read(path: Path, manifest: Manifest, scan: Scan) -> Stored:
    """Read a label file. Raises DataError, with or without the file's name before the text."""
    lower = path.name.lower()
    if lower.endswith((".nii", ".nii.gz")):
        return Stored(stored_voxels(path), _nifti_grid(path, scan))
    try:
        header = _nrrd_header(path)
        if any(key.startswith("Segment0_") for key in header) or lower.endswith(".seg.nrrd"):
            return _segmentation(path, header, manifest, scan)
        return _nrrd(path, header)
    except DataError:
        raise
    except Exception as error:  # a damaged file can fail anywhere
        reason = str(error) or type(error).__name__
        raise DataError(f"not a readable NRRD file, perhaps truncated or damaged ({reason}).") from error


def _nifti_grid(path: Path, scan: Scan) -> Grid:
    """Return the grid of a file; where the entries of its header differ, that of the one that agrees with the scan."""
    try:
        return read_grid(path)
    except DataError:
        sources: Sequence[Source] = ("sform", "qform", "pixdim")
        for source in sources:
            try:
                grid = read_grid(path, source)
            except DataError:
                continue
            if grid.shape == scan.shape and difference(grid, scan.grid) is None:
                return grid
        raise


def _nrrd_header(path: Path) -> dict[str, Any]:
    import nrrd

    with path.open("rb") as file:
        header: dict[str, Any] = nrrd.read_header(file)
    if {"data file", "datafile"} & header.keys():
        raise DataError("its voxels lie in another file; save it as one file.")
    return header


def _nrrd(path: Path, header: dict[str, Any]) -> Stored:
    from slicerio import read_volume

    volume = read_volume(str(path))
    voxels, affine = volume["voxels"], LPS @ volume["ijkToLPS"]
    if "component" in volume and voxels.shape[0] == 1:
        voxels = voxels[0]
    if voxels.ndim != 3:
        what = volume["component"]["kind"] if "component" in volume else f"{voxels.ndim}D"
        raise DataError(f"expected a 3D label map, got shape {voxels.shape} ({what}).")
    return Stored(voxels, _grid(voxels.shape, affine, placed="space" in header))


def _segmentation(path: Path, header: dict[str, Any], manifest: Manifest, scan: Scan) -> Stored:
    from slicerio import read_segmentation

    if "space" not in header:
        raise DataError("its header has no space, so where its voxels lie is not known; save it anew in 3D Slicer.")
    content = read_segmentation(str(path))
    layers = content["voxels"] if content["voxels"].ndim == 4 else content["voxels"][None]
    if layers.dtype.kind not in "iu":
        raise DataError(f"expected whole numbers in a segmentation, got {layers.dtype}.")
    segments = [
        Segment(str(found.get("name", found["id"])), int(found.get("labelValue", 1)), int(found.get("layer", 0)))
        for found in content["segments"]
    ]
    classes, notes = classes_of(segments, manifest, scan.case)
    blank = manifest.values[0] if manifest.unmarked is None else manifest.unmarked
    voxels = np.full_like(layers[0], blank, np.int64 if max(manifest.values) > 255 else np.int16)
    claimed, lost = np.zeros_like(layers[0], np.uint8), layers != 0
    for segment, number in zip(segments, classes, strict=True):
        if not 0 <= segment.layer < len(layers):
            raise DataError(f"segment {segment.name!r} is of layer {segment.layer}, and the file has {len(layers)}.")
        inside = layers[segment.layer] == segment.value
        voxels[inside] = manifest.values[number]
        claimed += inside
        lost[segment.layer] &= ~inside
    if lost.any():
        values = some([str(value) for value in np.unique(layers[lost])])
        raise DataError(f"voxels of value {values} belong to none of its segments.")
    grid = _grid(voxels.shape, LPS @ content["ijkToLPS"], placed=True)
    return Stored(voxels, grid, cropped=True, claimed=claimed, notes=notes)


def classes_of(segments: Sequence[Segment], manifest: Manifest, case: str) -> tuple[list[int], tuple[str, ...]]:
    """Return the class number of each segment, and notes.

    The name decides. A name that a program gave ("Segment_1") tells the order in which segments were made, and is
    taken only where there is a single class to draw; but "CASE_2" with the value 2 comes from a label map, and tells
    its value. A name and a value that stand for two classes contradict each other, unless the values are those that 3D
    Slicer counts up by itself, 1, 2, ... in each layer. Raises DataError, without the file's name.
    """
    named = {name.casefold(): number for number, name in enumerate(manifest.classes)}
    numbers = {value: number for number, value in enumerate(manifest.values)}
    counted = all(
        [segment.value for segment in segments if segment.layer == layer] == list(range(1, count + 1))
        for layer, count in _sizes(segments).items()
    )
    classes: list[int] = []
    notes: list[str] = []
    known = ", ".join(f"{name} {value}" for name, value in zip(manifest.classes, manifest.values, strict=True))
    drawable = [number for number, value in enumerate(manifest.values) if value]
    nameless = []
    for segment in segments:
        name = segment.name.strip()
        by_name, by_value = named.get(name.casefold()), numbers.get(segment.value)
        number = by_name
        if by_name is None:
            if not AUTOMATIC.fullmatch(name.removeprefix(case).strip(" _-")):
                raise DataError(f"segment {segment.name!r} has the name of no class; rename it to one of {known}.")
            if by_value is not None and name == f"{case}_{segment.value}":
                number = by_value
            elif len(drawable) == 1:
                number = by_value = drawable[0]
                notes.append(f"segment {segment.name!r} counts as {manifest.classes[number]}, the only class to draw")
        if number is None:
            nameless.append(name)
            continue
        if by_value is not None and by_value != number:
            other = manifest.classes[by_value]
            if not counted:
                raise DataError(
                    f"segment {segment.name!r} has the value {segment.value}, that of {other}; known: {known}. "
                    "Give it the name of what it shows, or save a label map."
                )
            notes.append(
                f"segment {segment.name!r} counts as {manifest.classes[number]}, by its name; its value "
                f"{segment.value} is what 3D Slicer counts up"
            )
        classes.append(number)
    if nameless:
        one = len(nameless) == 1
        wanted = " or ".join(manifest.classes[number] for number in drawable)
        raise DataError(
            f"segment{'' if one else 's'} {some(nameless)} {'has a name' if one else 'have names'} that programs give, "
            f"which {'tells' if one else 'tell'} no class; rename {'it' if one else 'each'} to {wanted}, or delete "
            f"{'it' if one else 'them'} if empty."
        )
    twice = [number for number in set(classes) if classes.count(number) > 1]
    if twice:
        both = [repr(segment.name) for segment, number in zip(segments, classes, strict=True) if number == twice[0]]
        raise DataError(f"segments {' and '.join(both)} both stand for {manifest.classes[twice[0]]}; keep one.")
    return classes, tuple(notes)


def _sizes(segments: Sequence[Segment]) -> dict[int, int]:
    layers = [segment.layer for segment in segments]
    return {layer: layers.count(layer) for layer in layers}


def _grid(shape: Sequence[int], affine: NDArray[np.float64], placed: bool) -> Grid:
    """Return a grid. Raises DataError, without the file's name, if the directions of its axes are none."""
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise DataError("the directions of its axes (space directions) are none; save it anew with its position.")
    i, j, k = (int(length) for length in shape)
    x, y, z = (float(step) for step in steps)
    return Grid((i, j, k), (x, y, z), affine if placed else None)
