"""Labels that an annotator finds in the files to correct, and the record of what was put there."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from alseg_core.atomic import replacing
from alseg_core.errors import ConfigError, DataError, ResultsError, some, unknown_name
from alseg_core.intact import content_of
from alseg_core.vocabulary import LabelArray
from bench.project.manifest import Manifest


def proposals(manifest: Manifest, prefill: Mapping[str, LabelArray], everywhere: bool) -> dict[str, LabelArray]:
    """Return case -> labels to put into its file, (D, H, W) uint8 class numbers; 0 on slices that are not asked.

    Args:
        manifest: what is asked.
        prefill: case -> proposed labels of all its slices.
        everywhere: keep them on the slices that are not asked, too.

    Raises ConfigError where annotators draw scribbles; DataError for an unknown case, another shape or other values.
    """
    if manifest.kind == "scribble":
        raise ConfigError(
            "labels can be proposed only where every pixel of a slice gets a class, and this project asks for "
            "scribbles; leave the proposals out, or start a project with masks."
        )
    kept = {}
    cases = [scan.case for scan in manifest.scans]
    for case, labels in prefill.items():
        if case not in cases:
            raise DataError(f"proposed labels: {unknown_name('case', case, cases)}")
        scan = manifest.scan(case)
        shape = (scan.depth, *scan.size)
        if labels.shape != shape:
            raise DataError(f"proposed labels of {case} have shape {labels.shape}, and the scan {shape} (z, y, x).")
        known = len(manifest.classes)
        unknown = np.setdiff1d(labels, np.arange(known))
        if len(unknown):
            got = some([str(value) for value in unknown], 5)
            raise DataError(f"proposed labels of {case} must be class numbers 0..{known - 1}, got {got}.")
        kept[case] = labels.astype(np.uint8)
        if not everywhere:
            others = np.setdiff1d(np.arange(scan.depth), manifest.wanted(case))
            kept[case][others] = 0
    return kept


def write_record(path: Path, labels: Mapping[str, LabelArray]) -> None:
    """Write case -> (D, H, W) uint8 as a NumPy archive, so that edits can be told from what was there."""
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for case, array in labels.items():
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{case}.npy"), content.getvalue(), zipfile.ZIP_DEFLATED)


def read_record(path: Path) -> dict[str, LabelArray] | None:
    """Return what :func:`write_record` wrote, None if there is no such file. Raises ResultsError if it is damaged."""
    content = content_of(path)
    if content is None:
        return None
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {case: archive[case] for case in archive.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ResultsError(f"{path} is damaged ({error}); put back a copy.") from None
