"""The only object that reads labels; every read is entered in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from alseg_core.data.arrays import map_array
from alseg_core.data.prepare import Prepare
from alseg_core.data.prepared import CaseInfo, Prepared
from alseg_core.errors import DataError
from alseg_core.oracles.ledger import Ledger, What
from alseg_core.oracles.returned import Returned
from alseg_core.vocabulary import IntArray, LabelArray


@dataclass(frozen=True, eq=False)
class Vault:
    """Labels of a prepared dataset.

    Rows are rows of ``prepared.base``: ``slices.rows[positions]``. ``cost_each`` is the cost of one slice in full-slice
    equivalents; a full mask costs 1, whatever it is read for.
    """

    folder: Path
    """Folder of the prepared dataset."""
    prepared: Prepared
    """The prepared dataset."""
    ledger: Ledger = field(default_factory=Ledger)
    """Account of all reads."""
    sealed: frozenset[str] = frozenset()
    """Cases whose labels cannot be read: DataError."""
    returned: Returned | None = None
    """Labels that annotators gave; None where labels come with the data."""
    prepare: Prepare = field(default_factory=Prepare)
    """Preparation of the dataset, which brings the annotators' labels to the network's grid."""

    @property
    def classes(self) -> int:
        """Number of classes, background included."""
        return len(self.prepared.labels)

    def masks(self, rows: IntArray, who: str, what: What, cost_each: float = 1.0) -> LabelArray:
        """Return full masks (B, H, W) uint8 on the network's grid. Raises DataError for a case without mask."""
        self._check_open([case.case for case in self._cases(rows)], what)
        lacking = [case.case for case in self._cases(rows) if not case.has_mask]
        if lacking:
            raise DataError(f"no mask in {', '.join(lacking[:5])}; {what} need cases with masks.")
        self.ledger.record(who, what, len(rows), len(rows) * cost_each)
        return self._masks[rows]

    def scribbles(self, rows: IntArray, who: str, what: What, cost_each: float = 1 / 15) -> LabelArray:
        """Return given scribbles (B, H, W) uint8 on the network's grid. Raises DataError for a case without."""
        self._check_open([case.case for case in self._cases(rows)], what)
        lacking = [case.case for case in self._cases(rows) if not case.has_scribble]
        if lacking:
            raise DataError(f"no scribble in {', '.join(lacking[:5])}; scribbles can be simulated from masks instead.")
        self.ledger.record(who, what, len(rows), len(rows) * cost_each)
        return self._scribbles[rows]

    def given(self, rows: IntArray, who: str, what: What, fill: int, cost_each: float = 1.0) -> LabelArray:
        """Return labels (B, H, W) uint8 that annotators gave, on the network's grid, with ``fill`` outside the slices.

        Raises LabelsAwaited naming the slices that they have not given yet, DataError where nobody is asked.
        """
        if self.returned is None:
            raise DataError(f"{what}: no folder of labels that annotators give belongs to this run.")
        slices = [self.prepared.table.locate(int(row)) for row in rows]
        native = self.returned.labels(slices)
        size = self.prepare.size
        out = np.empty((len(rows), size, size), np.uint8)
        for i, ((case, z), labels) in enumerate(zip(slices, native, strict=True)):
            info = self.prepared.info(case)
            if labels.shape != info.native_shape:
                raise DataError(
                    f"the labels of {case}, slice {z}, have {labels.shape} rows and columns, its image "
                    f"{info.native_shape}."
                )
            centre = info.geometry.centre_y, info.geometry.centre_x
            out[i] = self.prepare.labels_on_grid(labels[None], info.spacing_mm[1:], centre, fill)[0]
        self.ledger.record(who, what, len(rows), len(rows) * cost_each)
        return out

    def native_mask(self, case: str, who: str, what: What, cost_each: float = 1.0) -> LabelArray:
        """Return the mask (D, h, w) uint8 of a case on its native grid. Raises DataError: unknown case, or no mask."""
        info = self.prepared.info(case)
        self._check_open([case], what)
        if info.native_offset is None:
            raise DataError(f"no mask in {case}; {what} need cases with masks.")
        self.ledger.record(who, what, info.depth, info.depth * cost_each)
        shape = (info.depth, *info.native_shape)
        return self._native[info.native_offset : info.native_offset + int(np.prod(shape))].reshape(shape)

    def _check_open(self, cases: Sequence[str], what: What) -> None:
        if closed := self.sealed.intersection(cases):
            raise DataError(f"{what}: the labels of {', '.join(sorted(closed)[:5])} are sealed in this run.")

    def _cases(self, rows: IntArray) -> list[CaseInfo]:
        return [self.prepared.cases[i] for i in np.unique(self.prepared.table.volume[rows])]

    @cached_property
    def _masks(self) -> LabelArray:
        return map_array(self.folder / "labels" / "masks.npy").astype(np.uint8, copy=False)

    @cached_property
    def _scribbles(self) -> LabelArray:
        return map_array(self.folder / "labels" / "scribbles.npy").astype(np.uint8, copy=False)

    @cached_property
    def _native(self) -> LabelArray:
        return map_array(self.folder / "labels" / "native.npy").astype(np.uint8, copy=False)
