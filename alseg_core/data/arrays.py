"""Arrays on disk, mapped into memory so that all workers of a node share one copy."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def map_array(path: Path) -> NDArray[np.generic]:
    """Map an ``.npy`` file as a read-only array.

    Unlike a ``numpy.memmap`` it has no file name, so the images of a pool do not lead to the folder of its labels.
    """
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
        if fortran:
            raise ValueError(f"{path} is stored in Fortran order; prepared arrays are in C order.")
        offset = file.tell()
        if 0 in shape:
            return np.zeros(shape, dtype)
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(data, dtype=dtype, offset=offset, count=int(np.prod(shape))).reshape(shape)
