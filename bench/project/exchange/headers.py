"""Headers of the scans, and label files on exactly their grids."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alseg_core.atomic import replacing
from alseg_core.data.nifti import GZIP, HEADER, NIFTI_2
from alseg_core.errors import DataError
from bench.project.manifest import Scan

GEOMETRY = (
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "qoffset_z",
    "srow_x",
    "srow_y",
    "srow_z",
)
"""Fields of a header that place its voxels, beside their spacing and its unit."""
SPACE_UNIT = 7
"""Bits of xyzt_units that hold the unit of length."""


def read_header(path: Path, scan: Scan) -> Any:
    """Return the NIfTI header of a scan, unchanged.

    Raises DataError: the file is missing or is no NIfTI file, or its voxels are not as many as the manifest says.
    """
    from nibabel import Nifti1Header, Nifti2Header, imageglobals

    if not path.is_file():
        raise DataError(f"{path}: the scan of {scan.case} is not there; put it back, or start the round anew.")
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            start = file.read(HEADER)
        with imageglobals.LoggingOutputSuppressor():  # the manifest tells the grid
            second = start[:4] in NIFTI_2
            header = Nifti2Header(start, check=False) if second else Nifti1Header(start[:348], check=False)
    except Exception as error:  # a damaged file can fail anywhere
        raise DataError(f"{path}: not a readable NIfTI file ({error or type(error).__name__}).") from error
    shape = tuple(int(length) for length in header["dim"][1:4])
    if shape != scan.shape:
        raise DataError(
            f"{path}: has {' x '.join(map(str, shape))} voxels, and had {' x '.join(map(str, scan.shape))} when the "
            "slices were chosen; put back that file, or start the round anew."
        )
    return header


def shown_lps(header: Any, scan: Scan) -> NDArray[np.float64]:
    """Return the (4, 4) affine from stored indices to (left, posterior, superior) in mm, as ITK's programs show them.

    3D Slicer, MITK and ITK-SNAP read files through ITK. It takes stored axes of a header without a position for left,
    posterior and superior, and follows the signs of an sform of unit steps beside another spacing.
    """
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    if scan.affine is not None:
        return to_lps @ scan.placed
    form = np.asarray(header.get_sform(), float) if int(header["sform_code"]) > 0 else to_lps
    signs = np.where(np.diag(form)[:3] < 0, -1.0, 1.0)
    return to_lps @ np.diag([*(signs * scan.spacing_mm), 1.0])


def write_voxels(path: Path, header: Any, stored: NDArray[Any]) -> None:
    """Write voxels as stored, (I, J, K), into a ``.nii.gz`` whose grid is that of the header, field by field."""
    from nibabel import Nifti1Header

    own = Nifti1Header(endianness="<")
    own.set_data_shape(stored.shape)
    own.set_data_dtype(stored.dtype)
    own["pixdim"][:4] = header["pixdim"][:4]
    own["xyzt_units"] = int(header["xyzt_units"]) & SPACE_UNIT
    for name in GEOMETRY:
        own[name] = header[name]
    own["scl_slope"], own["scl_inter"] = 1, 0
    own["vox_offset"], own["magic"] = 352, b"n+1"
    with replacing(path) as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
        packed.write(own.binaryblock + bytes(4))
        packed.write(stored.astype(stored.dtype.newbyteorder("<"), copy=False).tobytes(order="F"))
