"""The network's grid in native slices: resampling to it, and labels back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from alseg_core.vocabulary import FloatArray

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class InPlane:
    """Position of the network's grid in the slices of a volume; slices are never mixed.

    Network pixel (i, j) is at native row centre_y + (i - (size-1)/2) step_y and column centre_x + (j - (size-1)/2)
    step_x; all in native pixels, with pixel centres at integers.
    """

    centre_y: float
    centre_x: float
    step_y: float
    step_x: float
    size: int

    def forward(self, volume: NDArray[Any], order: int, fill: float, antialias: bool = False) -> NDArray[Any]:
        """Resample native (D, h, w, ...) to (D, size, size, ...) in the same type.

        order: 0 nearest, 1 linear (float arrays only). fill: value outside the native slice. antialias: with order 1,
        an axis that shrinks takes weighted means whose weights fall linearly to 0 at one step from the network pixel,
        as ``torch.nn.functional.interpolate(mode="bilinear", antialias=True)`` does.
        """
        offset = np.arange(self.size) - (self.size - 1) / 2
        for axis, centre, step in ((1, self.centre_y, self.step_y), (2, self.centre_x, self.step_x)):
            reach = step if antialias else 1.0
            volume = _resample(volume, axis, centre + offset * step, order, fill, reach)
        return volume

    def backward(self, labels: NDArray[T], shape: tuple[int, int]) -> NDArray[T]:
        """Resample labels (D, size, size), or other values, to native (D, h, w) by nearest neighbour; 0 outside."""
        middle = (self.size - 1) / 2
        rows = (np.arange(shape[0]) - self.centre_y) / self.step_y + middle
        columns = (np.arange(shape[1]) - self.centre_x) / self.step_x + middle
        # halfway between two pixels forward takes the upper one, so backward takes the lower one and nothing moves
        labels = _resample(labels, 1, np.ceil(rows - 0.5), 0, 0)
        return _resample(labels, 2, np.ceil(columns - 0.5), 0, 0)


def _resample(
    array: NDArray[Any], axis: int, at: FloatArray, order: int, fill: float, reach: float = 1.0
) -> NDArray[Any]:
    """Resample ``array`` along one axis at the coordinates ``at``; a pixel reaches half a step beyond its centre."""
    length = array.shape[axis]
    outside = (at < -0.5) | (at >= length - 0.5)
    if order == 0:
        out: NDArray[Any] = np.take(array, np.clip(np.floor(at + 0.5), 0, length - 1).astype(np.intp), axis)
    elif reach > 1:
        out = _weighted_means(array, axis, at, reach)
    else:
        at = np.clip(at, 0, length - 1)
        low = np.floor(at).astype(np.intp)
        weight = (at - low).astype(array.dtype).reshape(_along(axis, array.ndim))
        high = np.minimum(low + 1, length - 1)
        out = np.take(array, low, axis) * (1 - weight) + np.take(array, high, axis) * weight
    out[(slice(None),) * axis + (outside,)] = fill
    return out


def _weighted_means(array: NDArray[Any], axis: int, at: FloatArray, reach: float) -> NDArray[Any]:
    """Return means along one axis with weights max(0, 1 - |distance from at| / reach) over the pixels of ``array``."""
    length = array.shape[axis]
    pixels = np.ceil(at - reach)[:, None].astype(np.intp) + np.arange(int(2 * reach) + 1)
    weights = np.clip(1 - np.abs(pixels - at[:, None]) / reach, 0, None) * ((pixels >= 0) & (pixels < length))
    total = weights.sum(axis=1, keepdims=True)
    weights = (weights / np.where(total > 0, total, 1)).astype(array.dtype)
    pixels = np.clip(pixels, 0, length - 1)
    shape = _along(axis, array.ndim)
    # one pixel of each mean after another: all at once would take as many copies of a video
    out: NDArray[Any] = np.take(array, pixels[:, 0], axis) * weights[:, 0].reshape(shape)
    for tap in range(1, pixels.shape[1]):
        out += np.take(array, pixels[:, tap], axis) * weights[:, tap].reshape(shape)
    return out


def _along(axis: int, dimensions: int) -> list[int]:
    """Return the shape that lines a vector up with one axis of an array."""
    return [-1 if i == axis else 1 for i in range(dimensions)]
