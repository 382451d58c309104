"""Rows and columns of small pictures in one panel, with names beside and above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from alseg_core.vocabulary import IGNORE, LabelArray
from bench.report.figures.style import WIDE_DPI
from bench.study.palette import CLASS_COLOURS

GAP = 0.06
"""Gap between pictures, as a share of their width."""
GREYS = 8
"""Grey values merged into one: invisible noise would be most of the file."""
LARGEST = 1.2
"""Largest width of a picture, in inches."""
SIZE = 9.0
"""Size of letters, in points."""


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture with its caption."""

    pixels: NDArray[np.float64]
    """Colours, (h, h, 3) in 0..1."""
    caption: str = ""
    """Text above the picture."""


def _colour(label: int) -> tuple[float, float, float]:
    """Return the colour of a foreground class by its number."""
    return to_rgb(CLASS_COLOURS[(label - 1) % len(CLASS_COLOURS)])


def painted(image: NDArray[np.uint8], labels: LabelArray, strength: float) -> NDArray[np.float64]:
    """Return an image (h, w) as (h, w, 3) with marked pixels tinted by class; IGNORE and background stay grey."""
    grey = np.repeat((image // GREYS * GREYS)[..., None] / 255.0, 3, axis=-1)
    for label in np.unique(labels[(labels > 0) & (labels != IGNORE)]):
        at = labels == label
        grey[at] = (1 - strength) * grey[at] + strength * np.array(_colour(int(label)))
    return grey


def outlined(pixels: NDArray[np.float64], labels: LabelArray) -> NDArray[np.float64]:
    """Return ``pixels`` at twice the size, (2h, 2w, 3), with white borders around classes, half a pixel wide."""
    big, area = pixels.repeat(2, 0).repeat(2, 1), labels.repeat(2, 0).repeat(2, 1)
    edge = np.zeros(area.shape, dtype=bool)
    edge[:-1] |= area[:-1] != area[1:]
    edge[:, :-1] |= area[:, :-1] != area[:, 1:]
    big[edge] = 1.0
    return big


def draw(
    tiles: Sequence[Sequence[Tile]],
    rows: Sequence[str],
    columns: Sequence[str],
    width: float,
    classes: Sequence[str],
    side: float,
) -> Figure:
    """Draw the tiles, row by row, at most ``width`` inches wide.

    side: inches at the left for the names of the rows; columns: heads; classes: of the legend.
    """
    across = max(len(row) for row in tiles)
    tile = min(LARGEST, (width - side - 0.1) / (across * (1 + GAP)))
    width = max(side + across * tile * (1 + GAP) + 0.1, 0.5 * width)
    above = 0.05 + 0.14 * max(one.caption.count("\n") + bool(one.caption) for row in tiles for one in row)
    step = tile * (1 + GAP) + above
    lines = max((name.count("\n") + 1 for name in columns), default=0)
    top, bottom = 0.1 + 0.17 * lines, 0.42
    height = top + step * len(tiles) + bottom
    figure = Figure(figsize=(width, height), dpi=WIDE_DPI)
    axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axis.set_axis_off()
    axis.set_xlim(0, width)
    axis.set_ylim(height, 0)
    for i, row in enumerate(tiles):
        y = top + step * i + above
        axis.text(side - 0.08, y + tile / 2, rows[i], ha="right", va="center", fontsize=SIZE, gid="row")
        for j, one in enumerate(row):
            x = side + j * tile * (1 + GAP)
            how = "nearest" if len(one.pixels) < tile * WIDE_DPI else "antialiased"
            axis.imshow(one.pixels, extent=(x, x + tile, y + tile, y), interpolation=how, aspect="auto")
            if one.caption:
                axis.text(
                    x + tile / 2, y - 0.03, one.caption, ha="center", va="bottom", fontsize=SIZE - 1.5, gid="tile"
                )
    for j, name in enumerate(columns):
        x = side + j * tile * (1 + GAP) + tile / 2
        axis.text(x, top - 0.05, name, ha="center", va="bottom", fontsize=SIZE, gid="column")
    axis.set_xlim(0, width)
    axis.set_ylim(height, 0)
    handles = [Patch(color=_colour(i), label=name) for i, name in enumerate(classes, start=1)]
    if handles:
        figure.legend(handles=handles, loc="lower center", ncols=min(len(handles), 6), handlelength=1)
    return figure
