"""NIfTI files of an export: images with unchanged voxels, and labels with the header of their image."""

from __future__ import annotations

import gzip
import shutil
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from alseg_core.atomic import replacing
from alseg_core.data.nifti import GZIP, NIFTI_2
from alseg_core.errors import DataError
from alseg_core.vocabulary import LabelArray
from bench.project.manifest import Scan

END = ".nii.gz"
"""End of the files that are written."""
ENDS = (".nii", END)
"""Ends of the files that are read."""
LENGTH = {1: 348, 2: 540}
"""Version of NIfTI -> bytes of its header."""
UINT8 = 2
"""Code of the data type of labels."""


def is_nifti(path: Path) -> bool:
    """Return whether a file is a NIfTI file by its name."""
    return path.name.lower().endswith(ENDS)


def copy_image(path: Path, scan: Scan, target: Path) -> None:
    """Copy an image to a ``.nii.gz`` file, its voxels unchanged.

    A compressed NIfTI-1 file of three dimensions is copied byte for byte. Others are compressed, axes of one voxel
    beyond the third are dropped from the header, and NIfTI-2, which ITK does not read, becomes NIfTI-1. Raises
    DataError: unreadable, or of another shape than the scan's.
    """
    stored = _header(path, scan)
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


def write_labels(labels: LabelArray, scan: Scan, image: Path, target: Path) -> None:
    """Write labels to a ``.nii.gz`` file on the grid of the image.

    labels: (I, J, K) uint8 as the file stores voxels. The header is that of the image where it is a NIfTI file, so that
    every program places both alike; else it is made from the scan. Raises DataError as :func:`copy_image` does.
    """
    header = _plain(_header(image, scan)) if is_nifti(image) else _made(scan)
    # what described the intensities of the image
    header["datatype"], header["bitpix"] = UINT8, 8
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["cal_min"] = header["cal_max"] = 0
    header["intent_code"], header["intent_name"] = 0, b""
    content = _block(header) + np.asarray(labels, np.uint8).tobytes(order="F")
    with replacing(target) as out:
        out.write(gzip.compress(content, mtime=0))


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


def _header(path: Path, scan: Scan) -> Any:
    """Return the header of an image, as it is stored."""
    import nibabel

    if not path.is_file():
        raise DataError(f"{path}: file not found; it is the image of {scan.case}.")
    try:
        with gzip.open(path) if _packed(path) else path.open("rb") as file:
            start = file.read(LENGTH[2])
        second = start[:4] in NIFTI_2
        kind = nibabel.Nifti2Header if second else nibabel.Nifti1Header
        header = kind(start[: LENGTH[2 if second else 1]], check=False)
        count = int(header["dim"][0])
        shape = tuple(int(length) for length in header["dim"][1 : count + 1])
    except Exception as error:  # a damaged file can fail anywhere
        raise _unreadable(path, error) from None
    if shape[:3] != scan.shape or any(length != 1 for length in shape[3:]):
        raise DataError(
            f"{path}: the scan {scan.case} has {scan.shape} voxels, the file {shape}. Has it been replaced since?"
        )
    return header


def _made(scan: Scan) -> Any:
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_data_shape(scan.shape)
    header.set_xyzt_units("mm")
    header["pixdim"][1:4] = scan.spacing_mm
    if scan.affine is not None:
        header.set_qform(scan.placed, code=1)
        header.set_sform(scan.placed, code=1)
    return header


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not a readable NIfTI file ({str(error) or type(error).__name__}).")
