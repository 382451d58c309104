"""A contact sheet: slices of a dataset with their labels, which shows at a glance whether image and labels match."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alseg_core.errors import ResultsError
from alseg_core.vocabulary import IGNORE, LabelArray, Volume
from bench.study.palette import CLASS_COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TILES = 24
"""Most slices of a sheet."""

COLUMNS = 6
"""Slices side by side."""

BACKGROUND = "#FFFFFF"
"""Colour of scribbles on background."""


@dataclass(frozen=True, eq=False)
class Tile:
    """One slice. image: (H, W) or (H, W, 3) in [0, 1]; mask, scribble: (H, W) or None; aspect: pixel height / width."""

    image: NDArray[np.float32]
    mask: LabelArray | None
    scribble: LabelArray | None
    aspect: float
    caption: str


def places(cases: int) -> dict[int, list[float]]:
    """Return case -> heights in (0, 1) to show: at most :data:`TILES` slices, spread over the cases and over z."""
    shown = min(cases, TILES)
    each = TILES // max(shown, 1)
    # steps of the golden ratio: cases side by side are shown at heights far apart
    shift = [(i + 0.5) * 0.618 % 1 for i in range(shown)]
    return {i * cases // shown: [0.1 + 0.8 * (k + shift[i]) / each for k in range(each)] for i in range(shown)}


def tiles_of(volume: Volume, heights: Iterable[float]) -> list[Tile]:
    """Return the slices of a volume at heights in (0, 1), each once, scaled by the 1st and 99th percentile."""
    depth = len(volume.image)
    low, high = np.percentile(volume.image[:: max(1, depth // 20)], (1, 99))
    tiles = []
    for z in dict.fromkeys(min(int(height * depth), depth - 1) for height in heights):
        image = np.clip((volume.image[z] - low) / max(high - low, 1e-9), 0, 1).astype(np.float32)
        mask, scribble = (None if part is None else part[z].copy() for part in (volume.mask, volume.scribble))
        aspect = volume.spacing_mm[1] / volume.spacing_mm[2]
        tiles.append(Tile(image, mask, scribble, aspect, f"{volume.case}  z {z}/{depth - 1}"))
    return tiles


def colour(label: int) -> str:
    """Return the colour of a class; the palette repeats after seven foreground classes."""
    return BACKGROUND if label == 0 else CLASS_COLOURS[(label - 1) % len(CLASS_COLOURS)]


def check_path(path: Path) -> None:
    """Create the folder of a sheet. Raises ResultsError when the sheet could not be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        if path.exists():
            path.open("ab").close()
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> ResultsError:
    return ResultsError(f"{path} cannot be written ({error.strerror}); choose another with --sheet.")


def write_sheet(path: Path, title: str, tiles: Sequence[Tile], classes: Sequence[str]) -> None:
    """Write a PNG of the tiles: masks as outlines with a tint, scribbles as solid pixels.

    Raises ResultsError when the file cannot be written.
    """
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    tall = float(np.median([tile.image.shape[0] * tile.aspect / tile.image.shape[1] for tile in tiles]))
    height = rows * (2.4 * min(tall, 1.6) + 0.25) + 0.9
    figure = Figure(figsize=(max(2.4 * columns, 6), height), dpi=110, facecolor="#1a1a1a")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, tile in zip(axes, tiles, strict=False):
        _draw(axis, tile)
    figure.suptitle(title, color="white", fontsize=11, y=1 - 0.15 / height, va="top")
    legend = _legend(figure, _handles(tiles, classes))
    figure.subplots_adjust(
        left=0.01, right=0.99, top=1 - 0.65 / height, bottom=legend / height, wspace=0.04, hspace=0.14
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png", facecolor=figure.get_facecolor())
    except OSError as error:
        raise _unwritable(path, error) from None


def _handles(tiles: Sequence[Tile], classes: Sequence[str]) -> list[Any]:
    """Return the entries of the legend: masks and scribbles of each class, as far as the tiles have them."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    scribbles = any(tile.scribble is not None for tile in tiles)
    masks = any(tile.mask is not None for tile in tiles)
    handles: list[Any] = []
    for label, name in enumerate(classes):
        if label > 0 and masks:
            handles.append(Patch(facecolor=colour(label) + "55", edgecolor=colour(label), label=name))
        if scribbles:
            mark = Line2D([], [], marker="s", linestyle="none", markersize=5, color=colour(label))
            mark.set_label(f"{name}, scribble")
            handles.append(mark)
    return handles


def _legend(figure: Figure, handles: Sequence[Any]) -> float:
    """Draw the legend at the bottom; return the height to leave for it, in inches."""
    if not handles:
        return 0.05
    per_row = max(1, int(figure.get_size_inches()[0] / 1.7))
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=min(per_row, len(handles)),
        frameon=False,
        labelcolor="white",
        fontsize=9,
    )
    return 0.1 + 0.25 * math.ceil(len(handles) / per_row)


def _draw(axis: Axes, tile: Tile) -> None:
    axis.imshow(tile.image, cmap="gray", vmin=0, vmax=1, aspect=tile.aspect)
    axis.set_title(tile.caption, color="#cccccc", fontsize=7, pad=2)
    if tile.mask is not None:
        for label in np.unique(tile.mask[(tile.mask > 0) & (tile.mask != IGNORE)]):
            region = np.pad(tile.mask == label, 1).astype(
                np.float32
            )  # so that outlines close at the border of the image
            y, x = (np.arange(-1, n + 1) for n in tile.mask.shape)
            axis.contourf(x, y, region, [0.5, 2], colors=[colour(int(label))], alpha=0.22)
            axis.contour(x, y, region, [0.5], colors=[colour(int(label))], linewidths=1.0)
    if tile.scribble is not None:
        width = axis.get_window_extent().width * 72 / axis.figure.dpi / tile.scribble.shape[1]  # one pixel, in points
        for label in np.unique(tile.scribble[tile.scribble != IGNORE]):
            y, x = np.nonzero(tile.scribble == label)
            axis.scatter(x, y, s=max(width, 0.9) ** 2, c=colour(int(label)), marker="s", linewidths=0)
    axis.set_xlim(-0.5, tile.image.shape[1] - 0.5)
    axis.set_ylim(tile.image.shape[0] - 0.5, -0.5)
