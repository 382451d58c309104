"""Where the asked slices are: in the stored arrays, in millimetres, and as programs count them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alseg_core.data.grid import plane_across
from bench.project.manifest import AskedSlice, Manifest, Scan

Point = tuple[float, float, float]

AXES = "ijk"
"""Names of the stored axes."""


@dataclass(frozen=True)
class Place:
    """One asked slice."""

    asked: AskedSlice
    scan: Scan
    axis: int
    """Stored axis that counts the slices of the scan, 0..2."""
    index: int
    """0-based index of the slice along it."""
    voxel: Point
    """Stored indices (i, j, k) of its centre; voxel centres are whole numbers."""
    lps: Point
    """Position (left, posterior, superior) of its centre in mm, as programs built on ITK show it."""

    @property
    def where(self) -> str:
        """The slice as files count it, "k = 12"."""
        return f"{AXES[self.axis]} = {self.index}"

    @property
    def snap(self) -> int:
        """The slice as ITK-SNAP counts it, from 1 along the stored axis."""
        return self.index + 1

    @property
    def plane(self) -> str:
        """The plane nearest to the slice, "axial", "coronal" or "sagittal"; "" where the header knows none."""
        codes = self.scan.grid.codes
        return plane_across(codes[self.axis]) if codes else ""


def places_of(manifest: Manifest, scan: Scan, header: Any) -> list[Place]:
    """Return where the asked slices of a scan are, in the order of picking. header: the NIfTI header of the scan."""
    affine = shown_lps(header, scan)
    places = []
    for asked in sorted((asked for asked in manifest.slices if asked.case == scan.case), key=lambda asked: asked.rank):
        axis, index = scan.axes.locate(asked.z, scan.depth)
        i, j, k = (float(index) if a == axis else (length - 1) / 2 for a, length in enumerate(scan.shape))
        left, posterior, superior = (affine @ [i, j, k, 1.0])[:3]
        places.append(Place(asked, scan, axis, index, (i, j, k), (float(left), float(posterior), float(superior))))
    return places


def shown_lps(header: Any, scan: Scan) -> NDArray[np.float64]:
    """Return the (4, 4) affine from stored indices to (left, posterior, superior) in mm, as ITK's programs show them.

    3D Slicer, MITK and ITK-SNAP read files through ITK. It takes stored axes of a header without a position for left,
    posterior and superior, and follows the signs of an sform of unit steps beside another spacing.
    """
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    if scan.affine is not None:
        return to_lps @ scan.placed
    form = np.asarray(header.get_sform(), float) if int(header["sform_code"]) > 0 else to_lps
    signs = np.where(np.diag(form)[:3] < 0, -1.0, 1.0)
    return to_lps @ np.diag([*(signs * scan.spacing_mm), 1.0])
