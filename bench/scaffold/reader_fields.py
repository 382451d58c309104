"""The fields with which the reader accepts a folder: patients in names, the axis of slices, the right geometry."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alseg_core.data.grid import stored_axes
from alseg_core.data.nifti import Source, read_grid
from alseg_core.data.readers import READERS
from alseg_core.data.readers.nifti_files import Folders, case_name, files_in
from alseg_core.data.readers.nifti_folder import NiftiFolder
from alseg_core.data.readers.patient_facts import ONE_EACH
from alseg_core.data.readers.patient_names import doubt, patients_of
from alseg_core.data.readers.reader import CaseRef
from alseg_core.errors import DataError
from alseg_core.registry import describe

SOURCES: tuple[Source, ...] = ("sform", "qform", "pixdim")
GIVEN = ("pattern", "csv", "slice_axis", "geometry", "trust_grid")
"""Fields that the user may set in place of what would be inferred."""
AXES: tuple[str | None, ...] = (None, "axial", "coronal", "sagittal", "coarsest")
"""Axes of slices that are tried in turn."""


@dataclass
class Inferred:
    """Fields of the reader that differ from their defaults, and why."""

    fields: dict[str, Any]
    refs: Sequence[CaseRef] = ()
    why: dict[str, str] = field(default_factory=dict)
    """Field -> a remark."""

    def reader(self, **more: Any) -> NiftiFolder:
        """Return the reader with these fields, and more."""
        reader = READERS.build({"name": "nifti_folder", **self.fields, **more})
        assert isinstance(reader, NiftiFolder)
        return reader


def infer(root: Path, folders: Folders, given: Mapping[str, Any]) -> Inferred:
    """Find fields with which the reader accepts the names and headers of a folder; no voxel is read.

    given: fields that the user sets, some of :data:`GIVEN`. Raises DataError for what no field can mend, ConfigError
    for a given field that takes no such value.
    """
    names = {part: name for part, name in describe(folders).items() if getattr(Folders(), part) != name}
    found = Inferred({**({"folders": names} if names else {}), **given}, why=dict.fromkeys(given, "as you say"))
    found.reader()
    images = files_in(root / folders.images, [])
    labels = files_in(root / folders.labels, [])
    others = [labels, files_in(root / folders.scribbles, [])]
    if "csv" in given:
        found.why["pattern"] = "patients are taken from the table"
    elif "pattern" not in given:
        _find_pattern(found, [case_name(image, others) for image in images], list(images))
    if "geometry" not in given:
        _find_geometry(found, [*images.values(), *labels.values()])
    _find_axis(found, root, (given["slice_axis"],) if "slice_axis" in given else AXES)
    return found


def _find_pattern(found: Inferred, cases: Sequence[str], images: Sequence[str]) -> None:
    """Take the scans of one patient together where names leave it open: else they could be in several parts."""
    question = doubt({patient for patient, _ in patients_of(cases).values()})
    if question is None:
        found.why["pattern"] = (
            "patients are inferred from the file names; if the example is wrong, set a pattern for them"
        )
        return
    if not all(re.fullmatch(question.pattern, image) for image in images):
        raise DataError(
            f"{question.why}, and no pattern fits all names. Say what in the name of a file is the patient with "
            f"--pattern REGEX, for example --pattern '(?P<patient>p\\d+)_(?P<group>.+)'; --pattern '{ONE_EACH}' makes "
            "every scan a patient."
        )
    found.fields["pattern"] = question.pattern
    found.why["pattern"] = (
        f"{question.why}, so they were taken together; pattern: '{ONE_EACH}' makes every scan a patient"
    )


def _find_geometry(found: Inferred, paths: Sequence[Path]) -> None:
    """Choose one entry of the headers where those of a file contradict each other and all files have that entry."""
    if all(_readable(path, None) for path in paths):
        return
    source = next((source for source in SOURCES if all(_readable(path, source) for path in paths)), None)
    if source is not None:
        found.fields["geometry"] = source
        found.why["geometry"] = f"entries of the headers contradict each other; the {source} was taken"


def _readable(path: Path, source: Source | None) -> bool:
    try:
        read_grid(path, source)
    except DataError:
        return False
    return True


def _find_axis(found: Inferred, root: Path, axes: Sequence[str | None]) -> None:
    """Choose the axis of the slices, and find the cases. Raises the first DataError where no axis suits."""
    first: DataError | None = None
    for axis in axes:
        reader = found.reader(slice_axis=axis)
        try:
            found.refs = reader.scan(root)
            for ref in found.refs if axis else ():
                stored_axes(read_grid(ref.files["image"], reader.geometry), reader.slice_axis)
        except DataError as error:
            first = first or error
            continue
        if axis is not None and axes is AXES:
            found.fields["slice_axis"] = axis
            found.why["slice_axis"] = "the third stored axis of some scans is not that of their slices; all are turned"
        return
    assert first is not None
    raise first
