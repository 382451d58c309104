"""The manifest of an annotation round: which slices of which scans are asked for, and how labels are stored.

It alone says what is asked. That a slice has pixels does not say that it is done: 0 is background and "not yet drawn".
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alseg_core.atomic import write_atomic
from alseg_core.data.grid import Grid
from alseg_core.errors import ResultsError, shown, some
from alseg_core.intact import mapping_of
from alseg_core.vocabulary import StoredAxes

FORMAT = 1
"""Version of the file."""
NAME = "manifest.json"
"""Name of the file in the folder of a round."""
KEPT = "asked"
"""Folder of a project with a copy of the manifest of each round; people work in the folders of the rounds."""


@dataclass(frozen=True)
class Scan:
    """A scan that slices are asked of. Stored axes (i, j, k) are those of its file."""

    case: str
    """Id of the scan."""
    patient: str
    """Id of the person."""
    image: str
    """Path of the image, relative to the folder of the project where it lies below it, else absolute."""
    shape: tuple[int, int, int]
    """Voxels along each stored axis."""
    spacing_mm: tuple[float, float, float]
    """Distance of voxels along each stored axis, in mm."""
    affine: tuple[tuple[float, ...], ...] | None
    """(4, 4) from stored indices to positions (right, anterior, superior) in mm; None where the header knows none."""
    axes: StoredAxes
    """Where the axes (z, y, x) of its slices come from in the file."""

    @property
    def depth(self) -> int:
        """Number of slices."""
        return self.shape[self.axes.order[0]]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of a slice."""
        return self.shape[self.axes.order[1]], self.shape[self.axes.order[2]]

    @property
    def placed(self) -> NDArray[np.float64]:
        """(4, 4) affine; where the header knows none, as ITK takes it: stored axes point left, posterior, superior."""
        if self.affine is not None:
            return np.array(self.affine)
        x, y, z = self.spacing_mm
        return np.diag([-x, -y, z, 1.0])

    @property
    def grid(self) -> Grid:
        """Its voxel grid."""
        return Grid(self.shape, self.spacing_mm, None if self.affine is None else np.array(self.affine))

    def centre_mm(self, z: int) -> tuple[float, float, float]:
        """Return the position (right, anterior, superior) of the centre of slice ``z``, in mm."""
        axis, index = self.axes.locate(z, self.depth)
        voxel = [(length - 1) / 2 for length in self.shape]
        voxel[axis] = index
        x, y, height = (self.placed @ [*voxel, 1.0])[:3]
        return float(x), float(y), float(height)


@dataclass(frozen=True)
class AskedSlice:
    """One slice to annotate."""

    case: str
    """Id of the scan."""
    z: int
    """0-based number of the slice in the scan as it is read, (z, y, x)."""
    rank: int
    """Place in the order of picking, from 1."""
    score: float | None
    """Score of the strategy, higher = picked sooner; None if it has none."""
    why: str
    """Why it was chosen, in a few words."""
    minutes: float
    """Estimated time to annotate it."""


@dataclass(frozen=True)
class Manifest:
    """Everything that is asked in one round."""

    project: str
    """Name of the project."""
    round: int
    """0-based number of the round; labels that were there before the first one are none."""
    kind: Literal["mask", "scribble"]
    """Kind of annotation."""
    classes: tuple[str, ...]
    """Names of the classes in the order of their numbers, background first."""
    values: tuple[int, ...]
    """Value of each class in the annotators' files."""
    unmarked: int | None
    """Value of a pixel that is not marked; None where every pixel of an asked slice has a class."""
    scans: tuple[Scan, ...]
    """The scans, by id."""
    slices: tuple[AskedSlice, ...]
    """The slices, in the order of picking."""

    def scan(self, case: str) -> Scan:
        """Return the scan of a case. Raises KeyError: no slice of it is asked for."""
        return {scan.case: scan for scan in self.scans}[case]

    def wanted(self, case: str) -> list[int]:
        """Return the asked slices of a scan, ascending."""
        return sorted(asked.z for asked in self.slices if asked.case == case)

    def write(self, folder: Path) -> Path:
        """Write the file into a folder; return its path."""
        path = folder / NAME
        write_atomic(path, json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=1) + "\n")
        return path

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the file in a folder. Raises ResultsError: missing, damaged, or of a later version."""
        path = folder / NAME
        content = mapping_of(path)
        if content is None:
            raise ResultsError(f"{path} does not exist; {folder} is no folder of an annotation round.")
        if content.pop("format", None) != FORMAT:
            raise ResultsError(f"{path} is of another version of the program; use that one.")
        try:
            return _manifest(content)
        except (KeyError, TypeError, ValueError) as error:
            raise ResultsError(f"{path} is damaged ({type(error).__name__}: {error}); put back a copy.") from None


def keep(manifest: Manifest, project: Path, folder: Path) -> None:
    """Keep a copy of the manifest in the project, before it is written into the folder of the round."""
    copy = project / KEPT / folder.name
    copy.mkdir(parents=True, exist_ok=True)
    manifest.write(copy)


def read_asked(project: Path, folder: Path) -> Manifest:
    """Read the manifest of a round, which must ask what it asked when it was written.

    Estimates, reasons and paths may differ. Raises ResultsError: missing, damaged, or different from the copy kept.
    """
    found, copy = Manifest.read(folder), project / KEPT / folder.name
    if not (copy / NAME).is_file():
        raise ResultsError(f"{copy / NAME} is missing, which tells whether {folder / NAME} was changed; put it back.")
    if (differs := _difference(found, Manifest.read(copy))) is not None:
        raise ResultsError(f"{folder / NAME} was changed: {differs}. Put back its copy, {copy / NAME}")
    return found


def _difference(found: Manifest, known: Manifest) -> str | None:
    """Return what a manifest asks otherwise than another, or None."""
    for name in ("round", "kind", "classes", "values", "unmarked"):
        theirs, ours = getattr(found, name), getattr(known, name)
        if theirs != ours:
            return f"it has {name} {shown(theirs)} instead of {shown(ours)}"
    grids = [
        {scan.case: (scan.shape, scan.spacing_mm, scan.affine, scan.axes) for scan in manifest.scans}
        for manifest in (found, known)
    ]
    if cases := sorted(case for case in {*grids[0], *grids[1]} if grids[0].get(case) != grids[1].get(case)):
        return f"the grid of {some(cases)} is another"
    asked = [{(one.case, one.z) for one in manifest.slices} for manifest in (found, known)]
    if slices := sorted(asked[0] ^ asked[1]):
        return f"it asks for other slices ({some([f'{case} {z}' for case, z in slices], 5)})"
    return None


def values_of(kind: Literal["mask", "scribble"], classes: int) -> tuple[tuple[int, ...], int | None]:
    """Return the value of each class in the annotators' files, and that of an unmarked pixel.

    Programs take 0 for "nothing drawn", so where only some pixels are marked the background has a value of its own.
    """
    numbers = tuple(range(classes))
    return (numbers, None) if kind == "mask" else ((classes, *numbers[1:]), 0)


def _manifest(content: dict[str, Any]) -> Manifest:
    scans = tuple(
        Scan(
            **{
                **scan,
                "shape": tuple(scan["shape"]),
                "spacing_mm": tuple(scan["spacing_mm"]),
                "affine": None if scan["affine"] is None else tuple(map(tuple, scan["affine"])),
                "axes": StoredAxes(**{name: tuple(value) for name, value in scan["axes"].items()}),
            }
        )
        for scan in content["scans"]
    )
    return Manifest(
        **{
            **content,
            "classes": tuple(content["classes"]),
            "values": tuple(content["values"]),
            "scans": scans,
            "slices": tuple(AskedSlice(**asked) for asked in content["slices"]),
        }
    )
