"""Where the scans of a patient differ, as two phases of a beating heart do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alseg_core.data.in_plane import InPlane
from alseg_core.vocabulary import FloatArray

WINDOW = 3.0
"""Side of the grid in standard deviations of the window. On ACDC, 2.5 to 4 lose alike (at most 2 % of a volume)."""
STEPS = 100
"""Most steps of the search; ACDC needs at most 26."""


def motion_centre(scans: Sequence[NDArray[np.float32]], grid: InPlane) -> tuple[float, float]:
    """Return the native row and column at which ``grid`` lies on what differs between scans (D, h, w) or (D, h, w, C).

    Scans, at least two of one shape with normalised intensities, are smoothed by a Gaussian of one network pixel. Their
    mean absolute deviation from their mean, averaged over slices, weights every pixel, and a mean shift from the centre
    of ``grid``, with a Gaussian window of a third of its side, finds where the weight gathers. A slice larger than the
    grid then holds all of it. Where nothing differs, the centre stays.

    Source: as in the localisation of the heart by what changes over the cardiac cycle (Khened et al., MedIA 2019).
    """
    weight = _deviation(scans, grid)
    start = np.array([grid.centre_y, grid.centre_x])
    steps = np.array([grid.step_y, grid.step_x])
    centre = _mean_shift(weight, start, steps * grid.size / WINDOW)
    # moved back into the slice, the grid loses nothing and gains pixels
    room = np.maximum((np.array(weight.shape) - grid.size * steps) / 2, 0)
    middle = (np.array(weight.shape) - 1) / 2
    row, column = np.clip(centre, middle - room, middle + room)
    return float(row), float(column)


def _deviation(scans: Sequence[NDArray[np.float32]], grid: InPlane) -> FloatArray:
    """Return the mean absolute deviation of the smoothed scans from their mean, (h, w)."""
    from scipy.ndimage import gaussian_filter

    others = (0,) * (scans[0].ndim - 3)
    smooth = np.stack([gaussian_filter(scan, (0, grid.step_y, grid.step_x, *others)) for scan in scans])
    deviation = np.abs(smooth - smooth.mean(axis=0))
    axes = tuple(i for i in range(deviation.ndim) if i not in (2, 3))
    weight: NDArray[np.float64] = deviation.mean(axis=axes, dtype=np.float64)
    return weight


def _mean_shift(weight: FloatArray, centre: FloatArray, sigma: FloatArray) -> FloatArray:
    """Move ``centre`` (y, x) to the mean of ``weight`` (h, w) under a Gaussian window around it until it stays."""
    rows, columns = (np.arange(length) for length in weight.shape)
    for _ in range(STEPS):
        y = np.exp(-(((rows - centre[0]) / sigma[0]) ** 2) / 2)
        x = np.exp(-(((columns - centre[1]) / sigma[1]) ** 2) / 2)
        by_row, by_column = (weight @ x) * y, (y @ weight) * x
        if not by_row.sum() > 0:
            break
        moved = np.array([by_row @ rows / by_row.sum(), by_column @ columns / by_column.sum()])
        near = bool(np.abs(moved - centre).max() < 0.01)  # pixels
        centre = moved
        if near:
            break
    return centre
