"""What is exported: scans with the slices that are annotated, as label volumes under safe file names."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alseg_core.errors import ConfigError, DataError, some
from alseg_core.vocabulary import IGNORE, LabelArray
from bench.project.manifest import Scan

TABLE = "annotated.csv"
"""Table of the annotated slices in the folder of an export."""


@dataclass(frozen=True, eq=False)
class ExportedScan:
    """A scan and the slices of it that are annotated."""

    scan: Scan
    """The scan."""
    labels: Mapping[int, LabelArray]
    """Number of a slice, 0-based as it is read -> its labels, (h, w) uint8 class numbers, IGNORE = unmarked."""

    def volume(self, unknown: int) -> LabelArray:
        """Return the labels as the file stores voxels, (I, J, K) uint8; ``unknown`` wherever nothing is annotated."""
        out = np.full((self.scan.depth, *self.scan.size), unknown, np.uint8)
        for z, labels in self.labels.items():
            out[z] = np.where(labels == IGNORE, unknown, labels)
        return self.scan.axes.write(out)

    def check(self, classes: int) -> None:
        """Raise DataError if labels do not fit the scan or hold other values than 0..classes-1 and IGNORE."""
        scan = self.scan
        for z, labels in self.labels.items():
            where = f"{scan.case}, slice {z}"
            if not 0 <= z < scan.depth:
                raise DataError(f"{where}: the scan has slices 0 to {scan.depth - 1}.")
            if labels.shape != scan.size:
                raise DataError(f"{where}: labels of shape {scan.size} were wanted, got {labels.shape}.")
            unknown = sorted({int(value) for value in np.unique(labels)} - {*range(classes), IGNORE})
            if unknown:
                raise DataError(
                    f"{where}: unknown class {some([str(value) for value in unknown], 5)}; known: 0 to {classes - 1}, "
                    f"and {IGNORE} where nothing is marked."
                )


def annotated(scans: Sequence[ExportedScan], classes: Sequence[str]) -> dict[str, ExportedScan]:
    """Return file name, without its end -> the scans that have annotated slices, by case.

    Raises DataError for labels that do not fit, two scans of one case, or when nothing is annotated; ConfigError for
    classes that have no or equal names.
    """
    if len(classes) < 2 or len(classes) > IGNORE - 1 or len(set(classes)) < len(classes):
        raise ConfigError(
            f"export: from 2 to {IGNORE - 1} classes of different names were wanted, background first, got "
            f"{len(classes)}: {some(list(classes))}."
        )
    for exported in scans:
        exported.check(len(classes))
    kept = sorted((exported for exported in scans if exported.labels), key=lambda exported: exported.scan.case)
    if not kept:
        raise DataError(f"export: none of {len(scans)} scans has an annotated slice.")
    names = safe_names([exported.scan.case for exported in kept])
    return {names[exported.scan.case]: exported for exported in kept}


def safe_names(cases: Sequence[str]) -> dict[str, str]:
    """Return case -> file name of letters, digits, "_", "." and "-", different even where capitals do not count.

    Raises DataError for a case that occurs twice.
    """
    taken: set[str] = set()
    names: dict[str, str] = {}
    for case in cases:
        if case in names:
            raise DataError(f"export: two scans are called {case!r}; every scan needs an id of its own.")
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", case).strip("._-") or "case"
        name, number = plain, 2
        while name.lower() in taken:
            name, number = f"{plain}_{number}", number + 1
        taken.add(name.lower())
        names[case] = name
    return names


def table(named: Mapping[str, ExportedScan], classes: Sequence[str], end: str) -> str:
    """Return the table of the annotated slices as CSV: where each is in its file, and pixels marked and of each class.

    named: file name, without its end -> scan. end: end of the file names.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ("case", "patient", "file", "z", "stored_axis", "stored_index", "pixels", "marked")
    writer.writerow([*head, *(f"pixels_{name}" for name in classes)])
    for name, exported in named.items():
        scan = exported.scan
        for z, labels in sorted(exported.labels.items()):
            counts = np.bincount(labels.ravel(), minlength=IGNORE + 1)[: len(classes)].tolist()
            where = scan.axes.locate(z, scan.depth)
            writer.writerow([scan.case, scan.patient, f"{name}{end}", z, *where, labels.size, sum(counts), *counts])
    return text.getvalue()


def image_of(scan: Scan, project: Path) -> Path:
    """Return the path of a scan's image. project: folder that relative paths start from."""
    return project / scan.image
