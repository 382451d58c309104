"""NIfTI files as arrays in (z, y, x) order; the only module that imports nibabel."""

from __future__ import annotations

import gzip
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alseg_core.errors import DataError, MissingPackageError
from alseg_core.vocabulary import LabelArray

GZIP = b"\x1f\x8b"
"""First bytes of a gzip file."""

NIFTI_2 = (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c")
"""First bytes of a NIfTI-2 file, in either byte order: its header has 540 bytes."""

Spacing = tuple[float, float, float]
"""Distance of voxels (z, y, x) in mm."""


@dataclass(frozen=True)
class Orientation:
    """Directions of the voxel axes of a file."""

    codes: str
    """Directions of the stored axes, such as "RAS" (right, anterior, superior); empty where the header has none."""
    default: bool
    """Whether the affine is the identity, as programs write it that do not know the position of the scan."""


def read_orientation(path: Path) -> Orientation:
    """Read the orientation from the header of a file that :func:`read_image` accepts."""
    import nibabel

    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    with gzip.open(path) if packed else path.open("rb") as file:
        start = file.read(540)
    header: Any = nibabel.Nifti2Header(start) if start[:4] in NIFTI_2 else nibabel.Nifti1Header(start[:348])
    affine = header.get_best_affine()
    known = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    codes = "".join(code or "?" for code in nibabel.aff2axcodes(affine)) if known else ""
    # the identity in the coordinates of NIfTI (right, anterior) or of DICOM (left, posterior)
    signs = np.eye(4), np.diag([-1.0, -1.0, 1.0, 1.0])
    return Orientation(codes, any(np.allclose(affine, plain) for plain in signs))


def read_image(path: Path) -> tuple[NDArray[np.float32], Spacing]:
    """Read a scan as (D, H, W) float32 with its spacing (z, y, x) in mm.

    Raises DataError naming the file: missing, unreadable or truncated, not 3D, or with NaN or infinite values.
    """
    stored, spacing = _read(path)
    image = stored.astype(np.float32)
    if not np.isfinite(image).all():
        bad = int((~np.isfinite(image)).sum())
        raise DataError(f"{path}: the image holds {bad} NaN or infinite values; every voxel must be a finite number.")
    return image, spacing


def read_labels(path: Path, known: Collection[int]) -> tuple[LabelArray, Spacing]:
    """Read labels as (D, H, W) uint8 with their spacing (z, y, x) in mm; every value must be in ``known`` (0..255).

    Raises DataError naming the file: missing, unreadable or truncated, not 3D, or with values that are not integers or
    not known.
    """
    stored, spacing = _read(path)
    values = np.unique(stored)
    if not np.isin(values, list(known)).all():
        unknown = values[~np.isin(values, list(known))]
        if not (np.isfinite(unknown).all() and (unknown == np.round(unknown)).all()):
            raise DataError(f"{path}: labels must be whole numbers, found {_some(unknown)}.")
        raise DataError(f"{path}: unknown label value {_some(unknown)}; known: {', '.join(map(str, sorted(known)))}.")
    return stored.astype(np.uint8), spacing


def _some(values: NDArray[Any]) -> str:
    shown = ", ".join(f"{value:g}" for value in values[:5])
    return shown + (f" and {len(values) - 5} more" if len(values) > 5 else "")


def _read(path: Path) -> tuple[NDArray[Any], Spacing]:
    """Read voxels in (z, y, x) order, in their stored or scaled type, and the spacing in the same order."""
    if not path.is_file():
        raise DataError(f"{path}: file not found.")
    try:
        import nibabel
    except ModuleNotFoundError:
        raise MissingPackageError("reading NIfTI files needs nibabel: pip install nibabel.") from None
    try:
        content = path.read_bytes()
        if content[:2] == GZIP:
            content = gzip.decompress(content)  # to the end, so that its checksum is compared
        second = content[:4] in NIFTI_2
        file: Any = (nibabel.Nifti2Image if second else nibabel.Nifti1Image).from_bytes(content)
        zooms = tuple(float(step) for step in file.header.get_zooms())
        voxels = np.asanyarray(file.dataobj)
    except Exception as error:  # a damaged file can fail anywhere: gzip, zlib, the header, the byte count
        reason = str(error) or type(error).__name__
        raise DataError(f"{path}: not a readable NIfTI file, perhaps truncated or damaged ({reason}).") from error
    if voxels.ndim != 3:
        raise DataError(f"{path}: expected a 3D volume, got {voxels.ndim}D with shape {voxels.shape}.")
    if 0 in voxels.shape:
        raise DataError(f"{path}: the volume is empty, shape {voxels.shape}.")
    if voxels.dtype.kind not in "iuf":
        raise DataError(f"{path}: expected one real number a voxel, got {voxels.dtype}.")
    if not all(np.isfinite(step) and step > 0 for step in zooms):
        raise DataError(f"{path}: voxel spacing must be positive, got {zooms} mm.")
    return voxels.transpose(2, 1, 0), (zooms[2], zooms[1], zooms[0])
