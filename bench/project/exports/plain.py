"""Labels as plain NIfTI files for any other program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from alseg_core.atomic import write_atomic
from alseg_core.vocabulary import IGNORE
from bench.project.exports.exported import TABLE, ExportedScan, annotated, image_of, table
from bench.project.nifti import END, header_of, is_nifti, read_header, write_voxels
from bench.project.together import together

CLASSES = "classes.json"
"""File of the names of the labels."""


def export_nifti(
    folder: Path, scans: Sequence[ExportedScan], classes: Sequence[str], *, project: Path | None = None
) -> Path:
    """Write a NIfTI file of labels for each scan with annotated slices; return ``folder``.

    Its voxels are uint8 class numbers on the grid of the image, 255 where nothing is annotated. Beside them are
    ``classes.json``, value -> name, and ``annotated.csv``, which slices are annotated. Files of an export before are
    replaced when all are written, ``annotated.csv`` as the last one. Scans without annotated slices are left out.

    Args:
        folder: folder to write to; it is made.
        scans: scans with their labels; an image of another format than NIfTI gives the grid of the scan.
        classes: names of the classes, background first.
        project: folder that relative paths of images start from; None = the current one.

    Raises ConfigError for unusable classes, DataError for labels or images that do not fit.
    """
    named = annotated(scans, classes)
    names = {**{str(i): name for i, name in enumerate(classes)}, str(IGNORE): "not annotated"}
    with together(folder, last=TABLE) as half:
        for file, exported in named.items():
            image = image_of(exported.scan, project or Path())
            header = read_header(image, exported.scan) if is_nifti(image) else header_of(exported.scan)
            write_voxels(half / f"{file}{END}", header, exported.volume(unknown=IGNORE))
        write_atomic(half / CLASSES, json.dumps(names, indent=1) + "\n")
        write_atomic(half / TABLE, table(named, classes, END))
    return folder
