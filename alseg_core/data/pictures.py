"""JPEG and PNG files as arrays; the only module that imports Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alseg_core.errors import DataError, MissingPackageError
from alseg_core.vocabulary import LabelArray


def read_colour(path: Path) -> NDArray[np.float32]:
    """Read a picture as (H, W, 3) float32, red, green and blue in 0..255; grey gives three equal channels.

    Raises DataError naming the file: missing, unreadable or truncated.
    """
    return np.asarray(_open(path).convert("RGB")).astype(np.float32)


def read_foreground(path: Path) -> LabelArray:
    """Read a binary mask as (H, W) uint8 in {0, 1}: foreground is every value above 0.

    Takes 1-bit, grey, palette and colour pictures; of a palette the index counts, not the colour. An opacity channel is
    ignored. Raises DataError naming the file: missing, unreadable or truncated.
    """
    foreground: LabelArray = np.any(_channels(path) > 0, axis=2).astype(np.uint8)
    return foreground


def read_one_object(path: Path) -> LabelArray:
    """Read a binary mask as :func:`read_foreground` does, from a picture whose foreground has one value or colour.

    Raises DataError also when the foreground has several values, as in files with one value per organ.
    """
    channels = _channels(path)
    inside = np.any(channels > 0, axis=2)
    values = np.unique(channels[inside], axis=0)
    if len(values) > 1:
        found = ", ".join("/".join(map(str, value.tolist())) for value in values[:5])
        found += f" and {len(values) - 5} more" if len(values) > 5 else ""
        raise DataError(f"{path}: expected one value of the foreground, found {found}; it marks several objects.")
    foreground: LabelArray = inside.astype(np.uint8)
    return foreground


def _channels(path: Path) -> NDArray[Any]:
    """Read stored values (H, W, C) without the opacity channel."""
    picture = _open(path)
    channels = np.asarray(picture).reshape(picture.height, picture.width, -1)
    return channels[..., [band != "A" for band in picture.getbands()]]


def _open(path: Path) -> Any:
    """Decode a picture."""
    if not path.is_file():
        raise DataError(f"{path}: file not found.")
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise MissingPackageError("reading pictures needs Pillow: pip install Pillow.") from None
    try:
        with Image.open(path) as picture:
            picture.verify()  # checks the checksums of the whole file, which decoding may skip
        with Image.open(path) as picture:
            picture.load()
            return picture
    except Exception as error:  # a damaged file can fail anywhere: the header, a chunk, the decoder
        reason = str(error) or type(error).__name__
        raise DataError(f"{path}: not a readable picture, perhaps truncated or damaged ({reason}).") from error
