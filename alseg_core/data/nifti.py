"""NIfTI files as arrays and grids; the only module that imports nibabel."""

from __future__ import annotations

import gzip
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alseg_core.data.grid import (
    POSITION_TOLERANCE,
    SPACING_TOLERANCE,
    Grid,
    apart,
    difference,
    mm,
    placeholder,
    sheared,
)
from alseg_core.errors import DataError, MissingPackageError, some
from alseg_core.vocabulary import AS_STORED, LabelArray, StoredAxes

GZIP = b"\x1f\x8b"
"""First bytes of a gzip file."""
NIFTI_2 = (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c")
"""First bytes of a NIfTI-2 file, in either byte order: its header has 540 bytes."""
HEADER = 540
"""Bytes that hold the header of either version."""
UNITS = {1: 1000.0, 3: 0.001}
"""Codes of the header's unit of length (metre, micron) -> mm; other codes are taken as mm."""
LONGEST_STEP_MM = 100.0
"""A larger distance of voxels is a wrong unit."""
SMALLEST_SCAN_MM = 0.5
"""A scan whose longest side is shorter has a wrong unit."""
WHOLE = 1e-3
"""A stored label this near to a known value is that value: scaling factors and float formats round it."""
ROUNDING = 1e-4
"""Relative difference within which the spacing of an affine is that of pixdim, rounded."""

Source = Literal["sform", "qform", "pixdim"]
"""Which entry of a header describes the grid."""
Spacing = tuple[float, float, float]
"""Distance of voxels (z, y, x) in mm."""
Box = tuple[tuple[int, int], ...]
"""First and last voxel along each stored axis."""


def read_grid(path: Path, source: Source | None = None) -> Grid:
    """Read the voxel grid from the header of a file.

    It is that of the sform, else of the qform, else the spacing alone. An sform of unit steps at the origin beside
    another spacing is a placeholder, as programs write it that do not know the position, and counts as none.

    Args:
        path: the file.
        source: entry that is right where the entries differ; None = refuse a file whose entries differ by more than 1 %
            of a spacing or half a voxel.

    Raises DataError naming the file: unreadable, entries that differ, axes that are not at right angles, a spacing that
    cannot be that of a scan.
    """
    status = path.stat() if path.is_file() else None
    if status is None:
        raise DataError(f"{path}: file not found.")
    return _read_grid(path, source, (status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=10_000)  # a study looks at the same scans again for every run
def _read_grid(path: Path, source: Source | None, _version: tuple[int, int]) -> Grid:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            start = file.read(HEADER)
        header = _header(start)
        return _grid(header, source)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except MissingPackageError:
        raise
    except Exception as error:  # a damaged file can fail anywhere
        raise _unreadable(path, error) from error


def check_grid(labels: Path, image: Path, source: Source | None = None) -> None:
    """Raise DataError naming both files if labels lie on another grid than their image; shapes are not compared."""
    differs = difference(read_grid(labels, source), read_grid(image, source))
    if differs is not None:
        raise DataError(
            f"{labels}: {differs} of {image}; images and labels must lie on one grid. Resample the labels to that of "
            "the image, correct the wrong header, or, in your own NIfTI folder, take them voxel by voxel with the "
            "reader's field trust_grid: true."
        )


def read_image(
    path: Path, source: Source | None = None, axes: StoredAxes = AS_STORED
) -> tuple[NDArray[np.float32], Spacing]:
    """Read a scan as (D, H, W) float32 with its spacing (z, y, x) in mm.

    source: as in :func:`read_grid`. Raises DataError naming the file: missing, unreadable or truncated, not 3D, with
    NaN or infinite values, or what :func:`read_grid` refuses.
    """
    image = axes.read(stored_voxels(path)).astype(np.float32)
    if not np.isfinite(image).all():
        bad = int((~np.isfinite(image)).sum())
        raise DataError(f"{path}: the image holds {bad} NaN or infinite values; every voxel must be a finite number.")
    spacing = read_grid(path, source).spacing
    z, y, x = (spacing[axis] for axis in axes.order)
    return image, (z, y, x)


def read_labels(
    path: Path, known: Mapping[int, int] | Collection[int], axes: StoredAxes = AS_STORED, hint: str = ""
) -> LabelArray:
    """Read labels as (D, H, W) uint8 class numbers; the header's geometry is not looked at.

    known: stored value -> class number, or the stored values that are class numbers. A value within 1e-3 of a known one
    is that one. hint: a sentence on what to do about an unknown value. Raises DataError naming the file: missing,
    unreadable or truncated, not 3D, or with other values.
    """
    numbers = dict(known) if isinstance(known, Mapping) else {value: value for value in known}
    stored = axes.read(stored_voxels(path))
    values, places = np.unique(stored, return_inverse=True)
    wanted = np.array(sorted(numbers), np.float64)
    nearest = wanted[np.searchsorted((wanted[1:] + wanted[:-1]) / 2, values)]
    unknown = values[~(np.abs(values - nearest) <= WHOLE)]
    if len(unknown):
        raise DataError(f"{path}: {_complaint(unknown, sorted(numbers), hint)}")
    codes = np.array([numbers[int(value)] for value in nearest], np.uint8)
    return codes[places.reshape(stored.shape)]


def stored_labels(path: Path) -> tuple[tuple[int, ...], Box | None]:
    """Return the values that a label file holds, ascending, and the box of all voxels but those of value 0.

    A value within 1e-3 of a whole number is that number. The box is None if every voxel is 0. Raises DataError naming
    the file: missing, unreadable or truncated, not 3D, or with values that are no whole numbers.
    """
    voxels = stored_voxels(path)
    values = np.unique(voxels).astype(np.float64)
    finite = np.isfinite(values)
    parts = values[~finite | (np.abs(np.where(finite, values, 0.5) % 1 - 0.5) < 0.5 - WHOLE)]
    if len(parts):
        raise DataError(f"{path}: {_complaint(parts, [], '')}")
    marked = np.abs(voxels) > WHOLE
    along = [np.flatnonzero(marked.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    box = tuple((int(places[0]), int(places[-1])) for places in along) if marked.any() else None
    return tuple(sorted({int(value) for value in np.round(values)})), box


def _complaint(unknown: NDArray[Any], known: list[int], hint: str) -> str:
    """Return what is wrong with label values, with as many digits as tell them from the known ones."""
    parts = [value for value in unknown if not (np.isfinite(value) and abs(value - round(float(value))) <= WHOLE)]
    shown = some([_number(value) for value in (parts or unknown)], 5)
    if parts:
        return f"not a whole number: {shown}. Were the labels interpolated? Save them as integers."
    return f"unknown label value {shown}; known: {', '.join(map(str, known))}. {hint}".rstrip()


def _number(value: Any) -> str:
    """Return a number with six digits, or with all that it has where six would make a whole number of it."""
    short = f"{value:.6g}"
    return str(value) if float(short).is_integer() and float(short) != value else short


def stored_voxels(path: Path) -> NDArray[Any]:
    """Read voxels as they are stored, (I, J, K), in their stored or scaled type.

    Raises DataError naming the file: missing, unreadable or truncated, not 3D, or with more than a number a voxel.
    """
    if not path.is_file():
        raise DataError(f"{path}: file not found.")
    nibabel = _nibabel()
    try:
        content = path.read_bytes()
        if content[:2] == GZIP:
            content = gzip.decompress(content)  # to the end, so that its checksum is compared
        second = content[:4] in NIFTI_2
        with nibabel.imageglobals.LoggingOutputSuppressor():  # read_grid looks at the header itself
            file: Any = (nibabel.Nifti2Image if second else nibabel.Nifti1Image).from_bytes(content)
        voxels: NDArray[Any] = np.asanyarray(file.dataobj)
    except Exception as error:  # a damaged file can fail anywhere: gzip, zlib, the header, the byte count
        raise _unreadable(path, error) from error
    while voxels.ndim > 3 and voxels.shape[-1] == 1:
        voxels = voxels[..., 0]
    if voxels.ndim != 3:
        raise DataError(f"{path}: expected a 3D volume, got {voxels.ndim}D with shape {voxels.shape}.")
    if 0 in voxels.shape:
        raise DataError(f"{path}: the volume is empty, shape {voxels.shape}.")
    if voxels.dtype.kind not in "iuf":
        raise DataError(f"{path}: expected one real number a voxel, got {voxels.dtype}.")
    return voxels


def _nibabel() -> Any:
    try:
        import nibabel
    except ModuleNotFoundError:
        raise MissingPackageError("reading NIfTI files needs nibabel: pip install nibabel.") from None
    return nibabel


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = str(error) or type(error).__name__
    return DataError(f"{path}: not a readable NIfTI file, perhaps truncated or damaged ({reason}).")


def _header(start: bytes) -> Any:
    """Return the header in the first bytes of a file, unchanged: nibabel would replace a spacing of 0 by 1."""
    nibabel = _nibabel()
    with nibabel.imageglobals.LoggingOutputSuppressor():
        if start[:4] in NIFTI_2:
            return nibabel.Nifti2Header(start, check=False)
        return nibabel.Nifti1Header(start[:348], check=False)


def _grid(header: Any, source: Source | None) -> Grid:
    """Return the grid of a header. Raises DataError without the file's name."""
    unit = UNITS.get(int(header["xyzt_units"]) & 7, 1.0)
    shape = tuple(int(length) for length in header["dim"][1:4])
    pixdim = np.abs(np.asarray(header["pixdim"][1:4], float)) * unit
    known = pixdim if np.isfinite(pixdim).all() and (pixdim > 0).all() else None
    forms = _forms(header, unit, known)
    for name, affine in forms.items():
        if (angle := sheared(affine)) is not None:
            raise DataError(
                f"its axes are not at right angles ({angle:.0f} degrees between two of them, in the {name}); resample "
                "the scan to a grid that is not sheared."
            )
    if source is None:
        _check_agreement(forms, known, shape)
    elif source not in forms and source != "pixdim":
        raise DataError(f"its header has no {source} that places the scan; it has {', '.join([*forms, 'pixdim'])}.")
    chosen = forms.get(source or "", next(iter(forms.values()), None))
    if source == "pixdim" or chosen is None:
        if known is None:
            raise DataError(f"voxel spacing must be positive, got {', '.join(f'{step:g}' for step in pixdim)} mm.")
        steps = known
    else:
        steps = np.linalg.norm(chosen[:3, :3], axis=0)
        if known is not None and np.allclose(steps, known, rtol=ROUNDING, atol=0):
            steps = known
    if chosen is not None:
        chosen = chosen.copy()
        chosen[:3, :3] *= steps / np.linalg.norm(chosen[:3, :3], axis=0)
    i, j, k = (float(step) for step in steps)
    _check_size((i, j, k), shape)
    return Grid((shape[0], shape[1], shape[2]), (i, j, k), chosen)


def _forms(header: Any, unit: float, pixdim: NDArray[np.float64] | None) -> dict[str, NDArray[np.float64]]:
    """Return the affines that a header declares, in mm, the better one first.

    An identity beside another spacing than 1 is a placeholder and left out.
    """
    if int(header["pixdim"][0]) not in (-1, 1):
        header["pixdim"][0] = 1  # the handedness, unwritten
    header["pixdim"][1:4] = np.abs(header["pixdim"][1:4])
    to_mm = np.diag([unit, unit, unit, 1.0])
    isotropic = pixdim is not None and np.allclose(pixdim, unit, rtol=ROUNDING, atol=0)
    found = {}
    for name, get in (("sform", header.get_sform), ("qform", header.get_qform)):
        if int(header[f"{name}_code"]) <= 0 or (name == "qform" and pixdim is None):
            continue
        stored = np.asarray(get(), float)
        if not np.isfinite(stored).all() or abs(np.linalg.det(stored[:3, :3])) < 1e-12:
            raise DataError(f"the {name} of its header is no affine that can be inverted; correct the header.")
        if isotropic or not placeholder(stored):
            found[name] = to_mm @ stored
    return found


def _check_agreement(
    forms: Mapping[str, NDArray[np.float64]], pixdim: NDArray[np.float64] | None, shape: tuple[int, ...]
) -> None:
    """Raise DataError if the entries of a header describe different grids."""
    cure = (
        "Correct the header, or, in your own NIfTI folder, say which one is right for all files with the reader's "
        "field geometry: sform (usually, after a coregistration), qform or pixdim."
    )
    for name, affine in forms.items():
        steps = np.linalg.norm(affine[:3, :3], axis=0)
        if pixdim is not None and not np.allclose(steps, pixdim, rtol=SPACING_TOLERANCE, atol=0):
            raise DataError(
                f"its header gives two spacings (z, y, x): {mm(steps.tolist())} in the {name}, {mm(pixdim.tolist())} "
                f"in pixdim. {cure}"
            )
    if len(forms) == 2 and (voxels := apart(forms["qform"], forms["sform"], shape)) > POSITION_TOLERANCE:
        raise DataError(f"the qform and the sform of its header place it up to {voxels:.2g} voxels apart. {cure}")


def _check_size(spacing: tuple[float, float, float], shape: tuple[int, ...]) -> None:
    longest = max(step * length for step, length in zip(spacing, shape, strict=True))
    if max(spacing) > LONGEST_STEP_MM or longest < SMALLEST_SCAN_MM:
        raise DataError(
            f"its voxels measure {mm(spacing)} (z, y, x) by its header, and the longest side of the scan "
            f"{longest:.3g} mm; is the header's unit of length (xyzt_units) wrong? Correct it."
        )
