"""Slices of a DICOM series; the only module that imports pydicom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alseg_core.errors import DataError, MissingPackageError


@dataclass(frozen=True, eq=False)
class DicomSlice:
    """One image of a series."""

    pixels: NDArray[np.float32]
    """(H, W) float32, rescaled by the file's slope and intercept: Hounsfield units for CT."""
    z_mm: float
    """Third coordinate of its position in the patient, in mm."""
    spacing_mm: tuple[float, float]
    """Distance (y, x) between pixel centres in mm."""
    series: str
    """UID of its series; empty where the file has none."""


def read_slice(path: Path) -> DicomSlice:
    """Read one file.

    Raises DataError naming the file: missing, unreadable or truncated, not a single grey image, or without position or
    pixel spacing.
    """
    if not path.is_file():
        raise DataError(f"{path}: file not found.")
    try:
        import pydicom
    except ModuleNotFoundError:
        raise MissingPackageError("reading DICOM files needs pydicom: pip install pydicom.") from None
    try:
        file: Any = pydicom.dcmread(path)
        stored = file.pixel_array
        pixels = stored.astype(np.float32) * np.float32(_number(file, "RescaleSlope", 1.0))
        pixels += np.float32(_number(file, "RescaleIntercept", 0.0))
        position = [float(value) for value in file.get("ImagePositionPatient") or ()]
        spacing = [float(value) for value in file.get("PixelSpacing") or ()]
        series = str(file.get("SeriesInstanceUID") or "")
    except Exception as error:  # a damaged file can fail anywhere: the header, an element, the byte count
        reason = str(error) or type(error).__name__
        raise DataError(f"{path}: not a readable DICOM image, perhaps truncated or damaged ({reason}).") from error
    if pixels.ndim != 2:
        raise DataError(f"{path}: expected one grey image, got an array of shape {pixels.shape}.")
    if len(position) != 3 or not np.isfinite(position).all():
        raise DataError(f"{path}: expected three coordinates in ImagePositionPatient, got {position or 'none'}.")
    if len(spacing) != 2 or not (np.isfinite(spacing).all() and min(spacing) > 0):
        raise DataError(f"{path}: expected two positive distances in PixelSpacing, got {spacing or 'none'}.")
    return DicomSlice(pixels, position[2], (spacing[0], spacing[1]), series)


def _number(file: Any, element: str, default: float) -> float:
    value = file.get(element)
    return default if value is None else float(value)
