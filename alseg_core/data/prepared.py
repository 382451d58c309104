"""Prepared images and the facts about their cases.

Labels are not opened here but in :mod:`alseg_core.oracles.vault`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from alseg_core.data.arrays import map_array
from alseg_core.data.in_plane import InPlane
from alseg_core.data.slices import Slices, SliceTable
from alseg_core.errors import DataError, unknown_name
from alseg_core.vocabulary import AS_STORED, LabelArray, StoredAxes

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class CaseInfo:
    """Facts about a case besides its voxels."""

    case: str
    """Unique id of the scan."""
    patient: str
    """Id of the person."""
    group: str
    """Phase or modality."""
    attributes: dict[str, str]
    """Further facts, such as the pathology."""
    depth: int
    """Number of slices."""
    native_shape: tuple[int, int]
    """Rows and columns of native slices."""
    spacing_mm: tuple[float, float, float]
    """Native spacing (z, y, x) in mm."""
    geometry: InPlane
    """Position of the network's grid in native slices."""
    has_mask: bool
    has_scribble: bool
    native_offset: int | None
    """Where its mask starts in the flat array of native masks; None without mask."""
    axes: StoredAxes = AS_STORED
    """Where the axes of its native slices come from in the file."""
    classes: tuple[int, ...] = ()
    """Classes that its mask holds, or its scribble where it has no mask."""
    constant: bool = False
    """Whether its image has one value only."""

    @property
    def grid_mm(self) -> tuple[float, float, float]:
        """Spacing (z, y, x) of the network's grid in mm; slices are those of the scan."""
        z, y, x = self.spacing_mm
        return z, y * self.geometry.step_y, x * self.geometry.step_x

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Size (y, x) of a pixel of the network's grid in this case, in mm."""
        return self.grid_mm[1:]

    def to_native(self, labels: NDArray[T]) -> NDArray[T]:
        """Return labels (D, size, size) of this case, or other values of pixels, on its native grid (D, h, w)."""
        return self.geometry.backward(labels, self.native_shape)

    def to_stored(self, labels: LabelArray) -> LabelArray:
        """Return network labels (D, size, size) of this case as its file stores voxels, (I, J, K)."""
        return self.axes.write(self.to_native(labels))


@dataclass(frozen=True, eq=False)
class Prepared:
    """All prepared slices of a dataset."""

    table: SliceTable
    """(case, z) of every row of ``base``."""
    cases: tuple[CaseInfo, ...]
    """Facts about the cases, in the order of the table."""
    base: NDArray[np.float32]
    """(M, C, H, W) float32, mapped from disk."""
    labels: tuple[int, ...]
    """Class numbers that a mask may hold."""
    key: str
    """Name of the store entry, different for different data or settings."""

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the folder that :func:`alseg_core.data.prepare.prepare` returned, without its labels."""
        index = json.loads((folder / "index.json").read_text())
        cases = tuple(_case(entry) for entry in index["cases"])
        depths = [case.depth for case in cases]
        table = SliceTable(
            cases=tuple(case.case for case in cases),
            patients=tuple(case.patient for case in cases),
            volume=np.repeat(np.arange(len(cases)), depths).astype(np.int64),
            z=np.concatenate([np.arange(depth) for depth in depths]).astype(np.int64),
        )
        base = map_array(folder / "images.npy")
        if len(base) != len(table):
            raise DataError(f"{folder}: {len(base)} images for {len(table)} slices; delete it and prepare again.")
        return cls(table, cases, base.astype(np.float32, copy=False), tuple(index["labels"]), folder.name)

    def info(self, case: str) -> CaseInfo:
        """Return the facts about one case. Raises DataError: unknown case."""
        names = self.table.cases
        if case not in names:
            raise DataError(unknown_name("case", case, names))
        return self.cases[names.index(case)]

    def slices(self, cases: Sequence[str]) -> Slices:
        """Return the slices of the given cases, in their order, without copying. Raises DataError: unknown case."""
        for case in cases:
            self.info(case)
        table, rows = self.table.subset(cases)
        return Slices(table, self.base, rows)


def _case(entry: dict[str, Any]) -> CaseInfo:
    tuples = {name: tuple(entry[name]) for name in ("native_shape", "spacing_mm", "classes")}
    axes = StoredAxes(**{name: tuple(value) for name, value in entry["axes"].items()})
    return CaseInfo(**{**entry, **tuples, "geometry": InPlane(**entry["geometry"]), "axes": axes})
