"""NIfTI files on exactly the grid of a scan: headers that are read, labels that are written, images that are copied."""

from __future__ import annotations

import gzip
import shutil
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

from numpy.typing import NDArray

from alseg_core.atomic import replacing
from alseg_core.data.nifti import GZIP, HEADER, NIFTI_2
from alseg_core.errors import DataError
from bench.project.manifest import Scan

END = ".nii.gz"
"""End of the files that are written."""
ENDS = (".nii", END)
"""Ends of the files that are read."""
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


def is_nifti(path: Path) -> bool:
    """Return whether a file is a NIfTI file by its name."""
    return path.name.lower().endswith(ENDS)


def read_header(path: Path, scan: Scan) -> Any:
    """Return the header of a scan's NIfTI file, as it is stored.

    Raises DataError: the file is missing or is no NIfTI file, or its voxels are not as many as the manifest says.
    """
    from nibabel import Nifti1Header, Nifti2Header, imageglobals

    if not path.is_file():
        raise DataError(f"{path}: the scan of {scan.case} is not there; put it back.")
    try:
        with gzip.open(path) if _packed(path) else path.open("rb") as file:
            start = file.read(HEADER)
        with imageglobals.LoggingOutputSuppressor():  # the manifest tells the grid
            second = start[:4] in NIFTI_2
            header = Nifti2Header(start, check=False) if second else Nifti1Header(start[:348], check=False)
            count = int(header["dim"][0])
            shape = tuple(int(length) for length in header["dim"][1 : count + 1])
    except Exception as error:  # a damaged file can fail anywhere
        raise _unreadable(path, error) from error
    if shape[:3] != scan.shape or any(length != 1 for length in shape[3:]):
        raise DataError(
            f"{path}: has {' x '.join(map(str, shape))} voxels, and had {' x '.join(map(str, scan.shape))} when the "
            "project was started; put back that file."
        )
    return header


def header_of(scan: Scan) -> Any:
    """Return a header with the grid of a scan whose image is no NIfTI file."""
    from nibabel import Nifti1Header

    header = Nifti1Header()
    header.set_data_shape(scan.shape)
    header.set_xyzt_units("mm")
    header["pixdim"][1:4] = scan.spacing_mm
    if scan.affine is not None:
        header.set_qform(scan.placed, code=1)
        header.set_sform(scan.placed, code=1)
    return header


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
    own["scl_slope"], own["scl_inter"], own["magic"] = 1, 0, b"n+1"
    with replacing(path) as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
        packed.write(_block(own))
        packed.write(stored.astype(stored.dtype.newbyteorder("<"), copy=False).tobytes(order="F"))


def copy_image(path: Path, scan: Scan, target: Path) -> None:
    """Copy an image to a ``.nii.gz`` file, its voxels unchanged.

    A compressed NIfTI-1 file of three dimensions is copied byte for byte. Others are compressed, axes of one voxel
    beyond the third are dropped from the header, and NIfTI-2, which ITK does not read, becomes NIfTI-1. Raises
    DataError: unreadable, or of another shape than the scan's.
    """
    stored = read_header(path, scan)
    header = _plain(stored)
    with path.open("rb") as file, replacing(target) as out:
        if _packed(path) and header.binaryblock == stored.binaryblock:
            shutil.copyfileobj(file, out)
            return
        source = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if _packed(path) else file
        start = max(int(stored["vox_offset"]), len(stored.binaryblock) + 4)
        with gzip.GzipFile(fileobj=out, mode="wb", filename="", mtime=0, compresslevel=6) as packed:
            try:
                source.seek(start)
                packed.write(_block(header))
                shutil.copyfileobj(source, packed)
            except (EOFError, OSError, zlib.error) as error:
                raise _unreadable(path, error) from None


def _plain(stored: Any) -> Any:
    """Return the header of a NIfTI-1 file of three dimensions."""
    import nibabel

    header = nibabel.Nifti1Header(endianness=stored.endianness, check=False)
    for field in set(header.keys()) - {"sizeof_hdr", "magic"}:
        if field in stored.keys():  # noqa: SIM118  # a header is no mapping
            header[field] = stored[field]
    header["magic"] = b"n+1"
    if int(stored["dim"][0]) > 3:
        header["dim"][0], header["dim"][4:] = 3, 1
    return header


def _block(header: Any) -> bytes:
    """Return the bytes of a file before its voxels, without extensions."""
    header["vox_offset"] = len(header.binaryblock) + 4
    return bytes(header.binaryblock) + bytes(4)


def _packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == GZIP


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not a readable NIfTI file ({str(error) or type(error).__name__}).")
