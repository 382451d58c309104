"""One label file as class numbers on the scan, or one line that says why not."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alseg_core.data.nifti import WHOLE
from alseg_core.errors import DataError, some
from alseg_core.vocabulary import IGNORE, LabelArray
from bench.project.manifest import Manifest, Scan
from bench.project.returns.found import File
from bench.project.returns.marks import counted
from bench.project.returns.placing import placed
from bench.project.returns.stored import read

YOUNG = 2.0
"""A file that was changed less than these seconds ago may still be written."""
PAUSE = 0.3
"""Seconds between two looks at such files."""
MANY = 20
"""A file with more values that are no labels looks like a scan."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """The labels of a file."""

    file: File
    labels: LabelArray
    """Class numbers, (D, H, W) uint8, IGNORE where nothing is marked."""
    edited: frozenset[int]
    """Slices that are not as they were handed out."""
    sha256: str
    notes: tuple[str, ...] = ()


def changing(files: Sequence[File]) -> set[Path]:
    """Return the files that are written at this moment; waits for a moment if some were changed just now."""
    now = time.time()
    young = {path: _state(path) for path in (file.path for file in files) if now - _changed(path) < YOUNG}
    if young:
        time.sleep(PAUSE)
    return {path for path, state in young.items() if not path.is_file() or _state(path) != state}


def draw(file: File, manifest: Manifest, handed_out: LabelArray, wanted: Collection[int], by_voxels: bool) -> Drawn:
    """Read a file.

    Args:
        file: the file.
        manifest: the round.
        handed_out: class numbers (D, H, W) uint8 of the file as the annotator got it.
        wanted: slices that matter; segments may overlap elsewhere.
        by_voxels: whether the voxels of a file without a position lie as in the scan.

    Raises DataError, with the file's short name before the text.
    """
    try:
        return _draw(file, manifest, handed_out, wanted, by_voxels)
    except DataError as error:
        raise DataError(f"{file.name}: {str(error).removeprefix(f'{file.path}: ')}") from None
    except (OSError, MemoryError) as error:
        raise DataError(f"{file.name}: it cannot be read ({getattr(error, 'strerror', None) or error}).") from None


def _draw(file: File, manifest: Manifest, handed_out: LabelArray, wanted: Collection[int], by_voxels: bool) -> Drawn:
    scan, before = manifest.scan(file.case), _state(file.path)
    if before[0] == 0:
        raise DataError("the file is empty (0 bytes); save it again.")
    stored = read(file.path, manifest, scan)
    outside = manifest.values[0] if manifest.unmarked is None else manifest.unmarked
    values, notes = placed(
        stored.voxels, stored.grid, scan, cropped=stored.cropped, outside=outside, by_voxels=by_voxels
    )
    if stored.claimed is not None:
        claimed, _ = placed(stored.claimed, stored.grid, scan, cropped=True, outside=0)
        _check_overlap(scan.axes.read(claimed), file.case, manifest, wanted)
    labels = _numbered(scan.axes.read(values), scan, manifest)
    with file.path.open("rb") as content:
        checksum = hashlib.file_digest(content, "sha256").hexdigest()
    if _state(file.path) != before:
        raise DataError("it was being written while it was read; wait until it is saved, and take it again.")
    edited = np.flatnonzero((labels != handed_out).any(axis=(1, 2)))
    return Drawn(file, labels, frozenset(edited.tolist()), checksum, (*stored.notes, *notes))


def _changed(path: Path) -> float:
    return path.stat().st_mtime if path.is_file() else 0.0


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _check_overlap(claimed: NDArray[np.uint8], case: str, manifest: Manifest, wanted: Collection[int]) -> None:
    twice = [int(z) for z in np.flatnonzero((claimed > 1).any(axis=(1, 2))) if z in wanted]
    if twice:
        raise DataError(
            f"segments overlap on {counted(manifest, case, twice)} ({int((claimed[twice] > 1).sum())} voxels), so "
            "their class is not clear; erase one of them there (in 3D Slicer, Masking: overwrite all segments)."
        )


def _numbered(values: NDArray[Any], scan: Scan, manifest: Manifest) -> LabelArray:
    """Return class numbers for values (D, H, W). Raises DataError naming the unknown values and their slices."""
    labels, known = np.zeros_like(values, np.uint8), np.zeros_like(values, bool)
    whole = values.dtype.kind in "iub"
    if manifest.unmarked is None:
        meaning = dict(zip(manifest.values, range(len(manifest.values)), strict=True))
    else:
        meaning = {**dict(zip(manifest.values, range(len(manifest.values)), strict=True)), manifest.unmarked: IGNORE}
    for value, number in meaning.items():
        same = values == value if whole else np.abs(values - value) <= WHOLE
        labels[same] = number
        known |= same
    if known.all():
        return labels
    slices = np.flatnonzero(~known.all(axis=(1, 2))).tolist()
    found = np.unique(values[~known]).astype(np.float64)
    parts = found[~np.isfinite(found) | (np.abs(np.where(np.isfinite(found), found, 0) % 1 - 0.5) < 0.5 - WHOLE)]
    names = [f"{name} {value}" for name, value in zip(manifest.classes, manifest.values, strict=True)]
    if manifest.unmarked is not None:
        names.insert(0, f"not marked {manifest.unmarked}")
    where = f"on {counted(manifest, scan.case, slices)}; known: {', '.join(names)}"
    if len(found) > MANY:
        raise DataError(f"it holds {len(found)} values that are no labels, {where}. Is it the scan itself?")
    shown = some([f"{value:.6g}" for value in (parts if len(parts) else found)], 5)
    if len(parts):
        raise DataError(f"it holds {shown}, {where}. Were the labels interpolated? Save them as whole numbers.")
    raise DataError(f"it holds unknown labels {shown} {where}. Correct them; the whole file is left out until then.")
