"""Prepared images and the facts of their cases.

Labels are not opened here: :mod:`alseg_core.oracles.vault` does that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from alseg_core.data.arrays import map_array
from alseg_core.data.prepare import InPlane
from alseg_core.data.slices import Slices, SliceTable
from alseg_core.errors import DataError, unknown_name
from alseg_core.vocabulary import LabelArray


@dataclass(frozen=True)
class CaseInfo:
    """What is known of a case besides its voxels.

    depth: number of slices. native_shape: (h, w) of its native slices. spacing_mm: native, (z, y, x). geometry: where
    the network's grid lies. native_offset: where its mask starts in the flat array of native masks, None without mask.
    """

    case: str
    patient: str
    group: str
    attributes: dict[str, str]
    depth: int
    native_shape: tuple[int, int]
    spacing_mm: tuple[float, float, float]
    geometry: InPlane
    has_mask: bool
    has_scribble: bool
    native_offset: int | None

    def to_native(self, labels: LabelArray) -> LabelArray:
        """Network labels (D, size, size) of this case on its native grid (D, h, w)."""
        return self.geometry.backward(labels, self.native_shape)


@dataclass(frozen=True, eq=False)
class Prepared:
    """All prepared slices of a dataset.

    table: (case, z) of every row of ``base``. base: (M, C, H, W) float32, mapped from disk. labels: class numbers a
    mask may hold. key: name of the store entry, different for different data or settings.
    """

    table: SliceTable
    cases: tuple[CaseInfo, ...]
    base: NDArray[np.float32]
    labels: tuple[int, ...]
    key: str

    @classmethod
    def open(cls, folder: Path) -> Self:
        """What :func:`alseg_core.data.prepare.prepare` left in ``folder``, without its labels."""
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
        """Facts of one case. Raises DataError: unknown case."""
        names = self.table.cases
        if case not in names:
            raise DataError(unknown_name("case", case, names))
        return self.cases[names.index(case)]

    def slices(self, cases: Sequence[str]) -> Slices:
        """Slices of the given cases, in their order; the images stay where they are."""
        for case in cases:
            self.info(case)
        table, rows = self.table.subset(cases)
        return Slices(table, self.base, rows)


def _case(entry: dict[str, Any]) -> CaseInfo:
    tuples = {name: tuple(entry[name]) for name in ("native_shape", "spacing_mm")}
    return CaseInfo(**{**entry, **tuples, "geometry": InPlane(**entry["geometry"])})
