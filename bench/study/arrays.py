"""The arrays that a run leaves for figures, read from .npz files that may come from elsewhere."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from alseg_core.errors import ResultsError
from alseg_core.visible import visible
from bench.study.foreign import NPZ_BYTES, opened

ARRAY_BYTES = 64_000_000
"""Most bytes of all arrays of a file together; those of examples.npz have about 3 MB."""
SIDE = 1024
"""Largest side of a picture, in pixels; runs keep at most 128."""
FORMS: dict[str, tuple[str, int]] = {
    **dict.fromkeys(("image", "truth", "prediction", "label"), ("u", 3)),
    "case": ("U", 1),
    "z": ("iu", 1),
    "points": ("f", 2),
    "patient": ("iu", 1),
    "position": ("f", 1),
    "labelled": ("b", 1),
    "digest": ("U", 0),
}
"""Name of an array -> kinds of numpy's data types and number of axes."""
READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def load(path: Path, names: Iterable[str]) -> dict[str, NDArray[Any]] | None:
    """Return all known arrays of a file; None for one of an older form, which lacks ``names`` or has another image.

    Shapes, types and sizes are checked before an array is read. Raises ResultsError for a file that is damaged or that
    no run can have written, and OSError where there is none.
    """
    try:
        with opened(path, NPZ_BYTES) as file, zipfile.ZipFile(file) as archive:
            return _arrays(archive, tuple(names))
    except FileNotFoundError:
        raise
    except ResultsError as error:
        reason = str(error)
    except Exception as error:  # damage shows as BadZipFile, EOFError or in the decompressor's own way
        reason = visible(str(error)) or type(error).__name__
    raise ResultsError(f"{path} is damaged ({reason}); delete it to have the report without it.")


def _arrays(archive: zipfile.ZipFile, needed: tuple[str, ...]) -> dict[str, NDArray[Any]] | None:
    members = {member.filename: member for member in archive.infolist()}
    names = [name for name in FORMS if f"{name}.npy" in members]
    if not set(needed) <= set(names):
        return None
    room = ARRAY_BYTES
    found: dict[str, NDArray[Any]] = {}
    for name in names:
        member = members[f"{name}.npy"]
        with archive.open(member) as stream:
            shape, dtype = _header(stream, name)
            if name == "image" and dtype != np.uint8:
                return None
            _check(name, shape, dtype)
            size = math.prod(shape) * dtype.itemsize
            if stream.tell() + size != member.file_size:
                raise ResultsError(f"{name} of shape {shape} does not fit its {member.file_size:,} bytes")
            room -= size
            if room < 0:
                raise ResultsError(f"its arrays have more than {ARRAY_BYTES:,} bytes")
        with archive.open(member) as stream:
            found[name] = np.lib.format.read_array(stream, allow_pickle=False)
    _check_together(found)
    return found


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version not in READERS:
        raise ResultsError(f"{name} has the unknown format {version}")
    shape, _, dtype = READERS[version](stream)
    return shape, dtype


def _check(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    kinds, axes = FORMS[name]
    if dtype.kind not in kinds or not dtype.itemsize or len(shape) != axes or min(shape, default=0) < 0:
        raise ResultsError(f"{name} has shape {shape} and type {dtype}")
    if axes == 3 and (max(shape[1:]) > SIDE or dtype != np.uint8):
        raise ResultsError(f"{name} has shape {shape} and type {dtype}; pictures have uint8 and sides up to {SIDE}")


def _check_together(found: dict[str, NDArray[Any]]) -> None:
    """Raise ResultsError where arrays differ in length or pictures in size, and for numbers that are not finite."""
    lengths = {name: len(values) for name, values in found.items() if values.ndim}
    pictures = {values.shape[1:] for values in found.values() if values.ndim == 3}
    if len(set(lengths.values())) > 1 or len(pictures) > 1:
        raise ResultsError(f"its arrays do not match: {', '.join(f'{n} {found[n].shape}' for n in lengths)}")
    if any(0 in size for size in pictures):
        raise ResultsError("its pictures are empty")
    for name, values in found.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ResultsError(f"{name} holds numbers that are not finite")
        if values.dtype.kind == "U":
            found[name] = np.array([visible(str(text)) for text in values]) if values.ndim else values
