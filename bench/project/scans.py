"""The scans of a project as their files store them: where each slice is."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alseg_core.atomic import replacing
from alseg_core.config import RunConfig
from alseg_core.data.nifti import read_grid
from alseg_core.data.prepared import CaseInfo
from alseg_core.data.readers.nifti_files import SUFFIX
from alseg_core.data.readers.nifti_folder import NiftiFolder
from alseg_core.data.readers.reader import CaseRef
from alseg_core.errors import ConfigError, ResultsError
from alseg_core.vocabulary import AS_STORED
from bench.project.manifest import Scan
from bench.project.project import Project

CONVERTED = "images"
"""Folder of a project with the scans that are no NIfTI files, converted."""


def references(project: Project, config: RunConfig) -> dict[str, CaseRef]:
    """Return case -> the scan that the reader found.

    Raises ResultsError where the folder of the scans is not there, as when a project was moved without them.
    """
    _check_there(project, config)
    root = None if config.dataset.root is None else Path(config.dataset.root)
    return {ref.case: ref for ref in config.dataset.reader.scan(root)}


def _check_there(project: Project, config: RunConfig) -> None:
    if config.dataset.root is None:
        return
    folder = Path(config.dataset.root)
    if isinstance(config.dataset.reader, NiftiFolder):
        folder /= config.dataset.reader.folders.images
    if not folder.is_dir():
        raise ResultsError(
            f"the scans of this project were at {folder}, which is not there; move them along with the project, to "
            f"{os.path.relpath(folder, project.folder.resolve())} seen from {project.folder}."
        )


def check_outside(project: Project, out: Path) -> None:
    """Raise ConfigError for a folder to write into that lies among the scans: its files would be taken for scans."""
    target = out.resolve()
    for ref in references(project, project.config([1])).values():
        for path in ref.files.values():
            if target.is_relative_to(path.resolve().parent) or target.is_relative_to(path.absolute().parent):
                raise ConfigError(
                    f"--to {out}: that is in {path.parent}, among the scans, and what is written would be taken for "
                    "scans; choose another folder."
                )


def scans(project: Project, config: RunConfig, infos: Sequence[CaseInfo]) -> dict[str, Scan]:
    """Return case -> scan. Scans that are no NIfTI files are converted, so that every program can open them."""
    refs = references(project, config)
    return {info.case: _scan(project, config, info, refs[info.case]) for info in infos}


def _scan(project: Project, config: RunConfig, info: CaseInfo, ref: CaseRef) -> Scan:
    path = ref.files.get("image")
    if path is None or not SUFFIX.search(path.name):
        path = _converted(project, config, ref)
        axes = AS_STORED
    else:
        axes = info.axes
    grid = read_grid(path, getattr(config.dataset.reader, "geometry", None))
    affine = None if grid.affine is None else tuple(tuple(map(float, row)) for row in grid.affine)
    path, home = path.resolve(), project.folder.resolve()
    image = os.path.relpath(path, home) if path.is_relative_to(home) else str(path)
    spacing = (float(grid.spacing[0]), float(grid.spacing[1]), float(grid.spacing[2]))
    return Scan(info.case, info.patient, image, grid.shape, spacing, affine, axes)


def _converted(project: Project, config: RunConfig, ref: CaseRef) -> Path:
    """Return a scan as a NIfTI file with its spacing, and without a position as readers tell none; written once."""
    import nibabel as nib

    path = project.folder / CONVERTED / f"{ref.case}.nii.gz"
    if not path.is_file():
        volume = config.dataset.reader.load(ref)
        path.parent.mkdir(parents=True, exist_ok=True)
        z, y, x = volume.spacing_mm
        voxels = np.ascontiguousarray(AS_STORED.write(volume.image if volume.image.ndim == 3 else volume.image.mean(3)))
        image = nib.Nifti1Image(voxels.astype(np.float32), None)
        image.header.set_zooms((x, y, z))
        with replacing(path) as file:
            file.write(gzip.compress(image.to_bytes(), mtime=0))
    return path
