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
    picture = _open(path)
    channels = np.asarray(picture).reshape(picture.height, picture.width, -1)
    opaque = [band != "A" for band in picture.getbands()]
    foreground: LabelArray = np.any(channels[..., opaque] > 0, axis=2, keepdims=True)[..., 0].astype(np.uint8)
    return foreground


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
