"""Arrays in HDF5 files; the only module that imports h5py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alseg_core.errors import DataError, MissingPackageError


def read_arrays(path: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Read arrays of an HDF5 file by name, in their stored type, and the optional ones that the file has.

    Raises DataError naming the file: missing, unreadable or truncated, without a needed array, or not real numbers.
    """
    if not path.is_file():
        raise DataError(f"{path}: file not found.")
    try:
        import h5py
    except ModuleNotFoundError:
        raise MissingPackageError("reading HDF5 files needs h5py: pip install h5py.") from None
    try:
        with h5py.File(path, "r") as file:
            held = sorted(name for name in file if isinstance(file[name], h5py.Dataset))
            arrays = {name: np.asarray(file[name][()]) for name in (*needed, *optional) if name in held}
    except Exception as error:  # a damaged file can fail anywhere: the header, a link, a chunk
        reason = str(error) or type(error).__name__
        raise DataError(f"{path}: not a readable HDF5 file, perhaps truncated or damaged ({reason}).") from error
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise DataError(f"{path}: no array {', '.join(map(repr, missing))}; it holds {', '.join(held) or 'none'}.")
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise DataError(f"{path}: expected real numbers in {name!r}, got {array.dtype}.")
    return arrays
