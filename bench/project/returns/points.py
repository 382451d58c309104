"""Points of 3D Slicer whose label or description begins with "done": the annotator's mark in the program itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alseg_core.errors import DataError, ResultsError, shown
from alseg_core.intact import mapping_of
from bench.project.manifest import Manifest, Scan
from bench.project.returns.found import Names
from bench.project.returns.marks import Mark

SIGN = "done"
"""Begins the label or the description of a point whose slice is done."""
OFF_CENTRE = 0.25
"""Distance of a point from the centre of its slice that is still clear, in slices."""
TO_RAS = {"LPS": np.array([-1.0, -1.0, 1.0]), "RAS": np.ones(3)}
"""From each coordinate system to (right, anterior, superior)."""


def read_points(
    path: Path, relative: Path, names: Names, manifest: Manifest, annotator: str
) -> tuple[list[Mark], list[str]]:
    """Return the marks of a point list (.mrk.json), and its problems, one line each.

    A list without marks says nothing, whatever its name. relative: its path below the folder, with which problems name
    it.
    """
    try:
        points = _marked(path)
        if not points:
            return [], []
        scan = manifest.scan(names.case(relative))
    except (DataError, ResultsError) as error:
        return [], [f"{relative.as_posix()}: {str(error).removeprefix(f'{path} ')}"]
    marks, problems = [], []
    for label, position in points:
        where = f"{relative.as_posix()}, point {shown(label)}"
        try:
            marks.append(Mark(scan.case, _slice(scan, position), True, None, annotator, where))
        except DataError as error:
            problems.append(f"{where}: {error}")
    return marks, problems


def _marked(path: Path) -> list[tuple[str, NDArray[np.float64]]]:
    """Return label and position (right, anterior, superior) of each point that says done."""
    content = mapping_of(path) or {}
    found = []
    try:
        for markup in content.get("markups", []):
            system = markup.get("coordinateSystem", "LPS")
            for point in markup.get("controlPoints", []):
                label = str(point.get("label", ""))
                if not any(text.strip().casefold().startswith(SIGN) for text in (label, _text(point))):
                    continue
                if point.get("positionStatus", "defined") == "undefined":
                    continue
                if system not in TO_RAS:
                    raise DataError(f"coordinate system {shown(system)} is not known; known: {', '.join(TO_RAS)}.")
                found.append((label, np.array(point["position"], float).reshape(3) * TO_RAS[system]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"it is no point list of 3D Slicer ({type(error).__name__}: {error}).") from None
    return found


def _text(point: dict[str, Any]) -> str:
    return str(point.get("description", ""))


def _slice(scan: Scan, position: NDArray[np.float64]) -> int:
    voxel = np.linalg.solve(scan.placed, [*position, 1.0])[:3]
    axis = scan.axes.order[0]
    index = round(float(voxel[axis])) if np.isfinite(voxel).all() else -1
    if not all(-0.5 <= at < length - 0.5 + 1e-6 for at, length in zip(voxel, scan.shape, strict=True)):
        raise DataError(f"it lies outside {scan.case}; is it of another scan?")
    if abs(voxel[axis] - index) > OFF_CENTRE:
        raise DataError(
            f"it lies between slices {int(voxel[axis])} and {int(voxel[axis]) + 1}; move it onto one of them."
        )
    return scan.axes.locate(index, scan.depth)[1]
