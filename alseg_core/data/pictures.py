"""JPEG and PNG files as arrays: the only door to Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alseg_core.errors import DataError, MissingPackageError
from alseg_core.vocabulary import LabelArray


def read_colour(path: Path) -> NDArray[np.float32]:
    """Picture as (H, W, 3) float32, red, green and blue in 0..255; grey gives three equal channels.

    Raises DataError naming the file: missing, unreadable or truncated.
    """
    return np.asarray(_open(path).convert("RGB")).astype(np.float32)


def read_foreground(path: Path) -> LabelArray:
    """Binary mask as (H, W) uint8 in {0, 1}: foreground is every value above 0.

    Takes 1-bit, grey and palette pictures (there the number of an object counts, not its colour) and colour ones; a
    channel of opacity plays no part. Raises DataError naming the file: missing, unreadable or truncated.
    """
    foreground: LabelArray = np.any(_channels(path) > 0, axis=2).astype(np.uint8)
    return foreground


def read_one_object(path: Path) -> LabelArray:
    """Like :func:`read_foreground`, of a picture whose foreground has one value, or one colour.

    Raises DataError naming the file and the values besides: several of them, as where each organ has its own.
    """
    channels = _channels(path)
    inside = np.any(channels > 0, axis=2)
    values = np.unique(channels[inside], axis=0)
    if len(values) > 1:
        told = ", ".join("/".join(map(str, value.tolist())) for value in values[:5])
        told += f" and {len(values) - 5} more" if len(values) > 5 else ""
        raise DataError(f"{path}: expected one value of the foreground, found {told}; it marks several objects.")
    foreground: LabelArray = inside.astype(np.uint8)
    return foreground


def _channels(path: Path) -> NDArray[Any]:
    """Stored values (H, W, C) without the channel of opacity."""
    picture = _open(path)
    channels = np.asarray(picture).reshape(picture.height, picture.width, -1)
    return channels[..., [band != "A" for band in picture.getbands()]]


def _open(path: Path) -> Any:
    """The decoded picture."""
    if not path.is_file():
        raise DataError(f"{path}: file not found.")
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise MissingPackageError("reading pictures needs Pillow: pip install Pillow.") from None
    try:
        with Image.open(path) as picture:
            picture.verify()  # checksums of the whole file, which decoding may leave out
        with Image.open(path) as picture:
            picture.load()
            return picture
    except Exception as error:  # a damaged file can fail anywhere: the header, a chunk, the decoder
        reason = str(error) or type(error).__name__
        raise DataError(f"{path}: not a readable picture, perhaps truncated or damaged ({reason}).") from error
