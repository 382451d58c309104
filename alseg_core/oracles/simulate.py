"""Scribbles drawn from a full mask."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from alseg_core.vocabulary import IGNORE, LabelArray

_NEIGHBOURS = np.ones((3, 3), bool)


def simulate(
    mask: LabelArray, classes: int, rng: np.random.Generator, length: float = 0.5, thickness: int = 1
) -> LabelArray:
    """Scribble of one slice: in every connected region of every class a contiguous share of its centre line.

    mask: (H, W) uint8. classes: number of classes, background included; each that is present gets at least one pixel.
    length: share of the centre line that is kept, in (0, 1]. thickness: width of the stroke in pixels. Returns (H, W)
    uint8, ``IGNORE`` where unmarked, elsewhere equal to the mask.
    """
    out = np.full(mask.shape, IGNORE, np.uint8)
    for label in range(classes):
        region = mask == label
        if not region.any():
            continue
        stroke = np.zeros(mask.shape, bool)
        pieces, count = ndimage.label(_centre_lines(region), _NEIGHBOURS)
        for piece in range(1, count + 1):
            line = np.argwhere(pieces == piece)
            stroke[tuple(_walk(line, math.ceil(length * len(line)), rng).T)] = True
        if thickness > 1:
            stroke = ndimage.binary_dilation(stroke, np.ones((thickness, thickness))) & region
        out[stroke] = label
    return out


def _centre_lines(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H, W) centre line of each 4-connected part of the region."""
    padded = np.pad(region, 1)  # the image border is a rim too
    lines = np.zeros_like(padded)
    parts, count = ndimage.label(padded)
    for part in range(1, count + 1):
        lines |= _centre_line(parts == part)
    return lines[1:-1, 1:-1]


def _centre_line(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Skeleton of one part without its rim, which annotators avoid; in a blob, the closed line halfway to its middle.

    The skeleton of a disc is a dot, where annotators draw a loop.
    """
    from skimage.morphology import skeletonize

    inner = ndimage.binary_erosion(part)
    line: NDArray[np.bool_] = skeletonize(inner if inner.any() else part)
    depth = ndimage.distance_transform_edt(part)
    if line.sum() < 2 * depth.max():
        core = depth > depth.max() / 2
        line = core & ~ndimage.binary_erosion(core)
    return line


def _walk(line: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``count`` pixels of a connected (n, 2) line, the nearest along it to a random one of them: again connected."""
    free = {(int(y), int(x)) for y, x in line}
    y, x = line[int(rng.integers(len(line)))]
    path = [(int(y), int(x))]
    free.remove(path[0])
    for y, x in path:  # grows while it is walked: breadth first
        for step in ((y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
            if step in free:
                free.remove(step)
                path.append(step)
        if len(path) >= count:
            break
    return np.array(path[:count])
