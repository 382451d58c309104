"""Simulation of scribbles from full masks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from alseg_core.vocabulary import IGNORE, LabelArray

_NEIGHBOURS = np.ones((3, 3), bool)


def simulate(
    mask: LabelArray,
    classes: int,
    rng: np.random.Generator,
    length: float = 0.8,
    ring: float = 0.5,
    background: float = 0.35,
    thickness: int = 2,
) -> LabelArray:
    """Simulate the scribble of one slice: a contiguous share of the centre line of every connected region of a class.

    mask: (H, W) uint8. classes: number of classes, background included; each that is present gets at least one pixel.
    length, ring, background: share of the centre line that is kept, in (0, 1], in a region without a hole, in one with
    a hole, and in class 0 whatever its shape. thickness: width of the stroke in pixels. Returns (H, W) uint8,
    ``IGNORE`` where unmarked, elsewhere equal to the mask.

    The defaults mark, on 256 x 256 slices of ACDC, as large a share of each class as its published scribbles (Valvano
    et al., 2021) do: 0.7 % of the background, 10 % of the ventricles, 15 % of the ring of the myocardium. Those strokes
    are 1.6 network pixels wide and follow half of a ring, and nearly all of the line through a ventricle.
    """
    out = np.full(mask.shape, IGNORE, np.uint8)
    for label in range(classes):
        region = mask == label
        parts, _ = ndimage.label(np.pad(region, 1))  # the image border is a rim too
        stroke = np.zeros(parts.shape, bool)
        for number, (y, x) in enumerate(ndimage.find_objects(parts), start=1):
            box = slice(y.start - 1, y.stop + 1), slice(x.start - 1, x.stop + 1)
            part = parts[box] == number
            share = background if label == 0 else ring if _holed(part) else length
            stroke[box] |= _stroke(_centre_line(part), share, rng)
        stroke = stroke[1:-1, 1:-1]
        if thickness > 1:
            stroke = ndimage.binary_dilation(stroke, np.ones((thickness, thickness))) & region
        out[stroke] = label
    return out


def _holed(part: NDArray[np.bool_]) -> bool:
    return bool((ndimage.binary_fill_holes(part) != part).any())


def _stroke(line: NDArray[np.bool_], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a contiguous ``share`` (H, W) of each piece of a line."""
    stroke = np.zeros_like(line)
    pieces, count = ndimage.label(line, _NEIGHBOURS)
    for piece in range(1, count + 1):
        pixels = np.argwhere(pieces == piece)
        stroke[tuple(_walk(pixels, math.ceil(share * len(pixels)), rng).T)] = True
    return stroke


def _centre_line(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the skeleton of a part without its rim, which annotators avoid; in a blob, a closed line halfway in.

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
    """Return ``count`` connected pixels of a connected line (n, 2): those nearest along it to a random pixel."""
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
