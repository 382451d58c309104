"""Small projects: scans with an oblique grid, with slices along the first stored axis, and without a position."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from alseg_core.data.nifti import read_grid
from alseg_core.vocabulary import AS_STORED, StoredAxes
from bench.project.manifest import Manifest, Scan

OBLIQUE = "Fälle é 1"
FIRST = "first axis"
BARE = "bare"
SHAPES = {OBLIQUE: (12, 10, 6), FIRST: (7, 9, 11), BARE: (8, 9, 5)}
SPACINGS = {OBLIQUE: (1.5, 1.25, 4.0), FIRST: (3.0, 0.75, 0.5), BARE: (1.0, 2.0, 5.0)}
AXES = {OBLIQUE: AS_STORED, FIRST: StoredAxes((0, 1, 2), (True, False, True)), BARE: AS_STORED}
ASKED = {OBLIQUE: (4, 0), FIRST: (1, 6), BARE: (2,)}


def rotation(degrees: float, axis: int) -> np.ndarray:
    """A rotation about one axis, from the formula."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = np.eye(3)
    a, b = [other for other in range(3) if other != axis]
    turned[a, a] = turned[b, b] = cosine
    turned[a, b], turned[b, a] = -sine, sine
    return turned


def affine_of(case: str) -> np.ndarray | None:
    """Stored indices to (right, anterior, superior) in mm, as the file's header has it."""
    turned = {
        OBLIQUE: rotation(12, 0) @ rotation(-7, 2) @ np.diag([-1, -1, 1]),
        FIRST: np.array([[0, 0, -1], [-1, 0, 0], [0, 1, 0]], float) @ rotation(5, 1),
    }.get(case)
    if turned is None:
        return None
    affine = np.eye(4)
    affine[:3, :3] = turned @ np.diag(SPACINGS[case])
    affine[:3, 3] = (-31.5, 17.25, 402.0)
    return affine


def write_scan(path: Path, case: str, kind: Any = nibabel.Nifti1Image, order: str = "<") -> None:
    """Write a scan whose every voxel of slice z, as the program reads it, is 10 z + 1."""
    shape, axes = SHAPES[case], AXES[case]
    depth = shape[axes.order[0]]
    slices = np.arange(depth).reshape([-1 if axis == axes.order[0] else 1 for axis in range(3)])
    slices = depth - 1 - slices if axes.flipped[0] else slices
    stored = np.broadcast_to(10 * slices + 1, shape).astype(np.int16)
    header = kind.header_class(endianness=order)
    header.set_data_shape(shape)
    header.set_data_dtype(np.int16)
    header.set_xyzt_units("mm")
    affine = affine_of(case)
    if affine is None:
        header.set_zooms(SPACINGS[case])
        file = kind(stored, None, header)
    else:
        file = kind(stored, affine, header)
        file.set_qform(affine, 1)
        file.set_sform(affine, 2)
    nibabel.save(file, path)


def scan_of(path: Path, case: str, image: str) -> Scan:
    """The entry of a scan in a manifest, as the program makes it from the header."""
    grid = read_grid(path)
    affine = None if grid.affine is None else tuple(tuple(map(float, row)) for row in grid.affine)
    return Scan(case, f"patient of {case}", image, grid.shape, grid.spacing, affine, AXES[case])


@dataclasses.dataclass
class Project:
    """A project folder with scans below it, and a manifest."""

    folder: Path
    manifest: Manifest

    @property
    def round(self) -> Path:
        return self.folder / "round_01"

    def image(self, case: str) -> Path:
        return self.folder / self.manifest.scan(case).image

    def labels(self) -> dict[str, np.ndarray]:
        """Labels (D, H, W) for each scan, in which no two axes look alike."""
        proposed = {}
        for scan in self.manifest.scans:
            z, y, x = np.indices((scan.depth, *scan.size))
            proposed[scan.case] = ((z + 2 * y * y + 3 * x * x * x) % 3).astype(np.uint8)
        return proposed
