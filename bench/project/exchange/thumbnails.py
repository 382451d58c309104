"""Pictures of the asked slices and of their neighbours, in the orientation in which the program reads them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alseg_core.data.nifti import read_image
from alseg_core.errors import DataError
from alseg_core.vocabulary import LabelArray
from bench.datasets.contact_sheet import Tile, colour
from bench.project.exchange.colours import rgb
from bench.project.exchange.places import Place
from bench.project.manifest import Scan

LARGE = 320
"""Longest side of an asked slice in the page, in pixels."""
SMALL = 110
"""Longest side of its neighbours."""
QUALITY = 85
"""Quality of the JPEGs."""


@dataclass(frozen=True, eq=False)
class Picture:
    """An asked slice as files show it."""

    place: Place
    tile: Tile
    large: str
    """The slice as a data URL."""
    below: str
    """Slice z - 1 as a data URL; "" where there is none."""
    above: str
    """Slice z + 1 as a data URL; "" where there is none."""
    size: tuple[int, int]
    """Width and height of the large picture in pixels."""


def pictures_of(image: Path, places: Sequence[Place], labels: LabelArray | None) -> list[Picture]:
    """Return the pictures of the asked slices of one scan; grey values from its 1st to its 99th percentile.

    labels: (D, H, W) class numbers to outline, or None. Raises DataError if the file cannot be read.
    """
    scan = places[0].scan
    volume = _voxels(image, scan)
    low, high = np.percentile(volume[:: max(1, len(volume) // 20)], (1, 99))

    def grey(z: int) -> NDArray[np.float32]:
        return np.asarray(np.clip((volume[z] - low) / max(high - low, 1e-9), 0, 1), np.float32)

    pixel = (scan.spacing_mm[scan.axes.order[1]], scan.spacing_mm[scan.axes.order[2]])
    pictures = []
    for place in places:
        z = place.asked.z
        mask = None if labels is None else labels[z]
        below, above = (
            _url(grey(near), None, pixel, SMALL)[0] if 0 <= near < len(volume) else "" for near in (z - 1, z + 1)
        )
        large, size = _url(grey(z), mask, pixel, LARGE)
        tile = Tile(grey(z), mask, None, pixel[0] / pixel[1], _caption(place))
        pictures.append(Picture(place, tile, large, below, above, size))
    return pictures


def _voxels(image: Path, scan: Scan) -> NDArray[np.float32]:
    try:  # the grid is that of the manifest; entries of the header that contradict each other do not matter here
        return read_image(image, "pixdim", scan.axes)[0]
    except DataError:
        return read_image(image, None, scan.axes)[0]


def _caption(place: Place) -> str:
    """Return two lines for a sheet, which takes a pair of dollar signs for a formula."""
    lines = (f"{place.asked.rank}. {place.asked.case}  {place.where}", place.asked.why)
    return "\n".join(line if len(line) <= 44 else f"{line[:43]}…" for line in lines).replace("$", r"\$")


def _url(
    grey: NDArray[np.float32], mask: LabelArray | None, pixel: tuple[float, float], longest: int
) -> tuple[str, tuple[int, int]]:
    """Return a slice as a JPEG in a data URL, and its width and height in pixels.

    grey: (h, w) in [0, 1]; mask: class numbers to outline; pixel: its height and width in mm; longest: longest side of
    the picture in pixels.
    """
    from PIL import Image

    tall, wide = grey.shape[0] * pixel[0], grey.shape[1] * pixel[1]
    scale = longest / max(tall, wide)
    size = (max(1, round(wide * scale)), max(1, round(tall * scale)))
    picture = Image.fromarray((grey * 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    if mask is not None and mask.any():
        classes = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
        framed = np.pad(classes, 1)
        edge = (classes > 0) & np.logical_or.reduce(
            [framed[dy : dy + size[1], dx : dx + size[0]] != classes for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2))]
        )
        pixels = np.array(picture)
        for number in np.unique(classes[edge]):
            pixels[edge & (classes == number)] = rgb(colour(int(number)))
        picture = Image.fromarray(pixels)
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=QUALITY, subsampling=0)  # thin outlines keep their colour
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}", size
