"""Grid, split, budgets and steps that follow from the scans, by analogy with the quick preset of ACDC."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from alseg_core.data.class_check import check_classes
from alseg_core.data.grid import stored_axes
from alseg_core.data.nifti import Box, read_grid
from alseg_core.data.readers.nifti_folder import NiftiFolder
from alseg_core.data.readers.reader import CaseRef
from alseg_core.data.splits import SPLITS
from alseg_core.errors import DataError
from bench.datasets.preset_fit import FEW_SLICES, Scan

LARGEST, SMALLEST, STEP = 96, 32, 16
"""Sides of the quick grid in pixels; a multiple of the last, because the network halves it four times."""
DEEP = 64
"""Smallest grid for a network of five levels."""
ACDC_POOL, ACDC_STEPS = 1_200, 4_600
"""Slices of the pool of ACDC's quick preset, and steps of a training on all of them."""
LEAST_STEPS = 250
"""Fewest steps of a training, whatever its budget."""
MARGIN = 1.25
"""Field in units of what the training masks need: other patients may need more."""
SHARES = (0.02, 0.05, 0.12)
LARGE_POOL = 2_000
"""With more slices, budgets are those of a pool of this size: a larger share would be much work to annotate."""
SPLITS_TRIED = 20
AIR_HU = -500
"""An image with lower values looks like CT."""
CT_TRIED = 5
"""Most images that are read to tell CT."""


@dataclass(frozen=True)
class Sizes:
    """Lengths of the scans."""

    depths: dict[str, int]
    """Case -> slices."""
    spacing_mm: float
    """Median distance of pixels in the slice."""
    side_mm: float
    """Longest side of a slice: median over the scans."""
    widest_mm: float
    """Longest side of a slice: largest."""
    reach_mm: dict[str, float]
    """Case with a mask -> longest distance of its structures from the middle of the slice, along rows or columns."""


def read_sizes(reader: NiftiFolder, refs: Sequence[CaseRef], boxes: Mapping[str, Box]) -> Sizes:
    """Return the lengths of all scans from their headers.

    boxes: case -> box of its structures. Raises DataError for a header that cannot be used.
    """
    depths, steps, sides, reach = {}, [], [], {}
    for ref in refs:
        grid = read_grid(ref.files["image"], reader.geometry)
        order = stored_axes(grid, reader.slice_axis).order
        depths[ref.case] = grid.shape[order[0]]
        steps += [grid.spacing[axis] for axis in order[1:]]
        sides.append(max(grid.shape[axis] * grid.spacing[axis] for axis in order[1:]))
        if ref.case in boxes:
            reach[ref.case] = max(
                abs(end - (grid.shape[axis] - 1) / 2) * grid.spacing[axis]
                for axis in order[1:]
                for end in (boxes[ref.case][axis][0] - 0.5, boxes[ref.case][axis][1] + 0.5)
            )
    return Sizes(depths, median(steps), median(sides), max(sides), reach)


def field(sizes: Sizes, train: Sequence[Scan]) -> float:
    """Return the side in mm of a square around the middle of slices that holds the structures of training masks.

    There is a margin for other patients, whose masks are not looked at. It is never larger than the widest slice.
    """
    needed = [sizes.reach_mm[scan.case] for scan in train if scan.case in sizes.reach_mm]
    return min(2 * MARGIN * max(needed, default=math.inf), sizes.widest_mm)


def grid(field_mm: float, sizes: Sizes) -> tuple[int, float]:
    """Return pixels and their distance in mm of a square grid over a field, no finer than the scans."""
    size = int(np.clip(STEP * math.ceil(field_mm / sizes.spacing_mm / STEP), SMALLEST, LARGEST))
    exact = max(field_mm / size, sizes.spacing_mm)
    digits = 2 - math.floor(math.log10(exact))
    return size, math.ceil(round(exact * 10**digits, 6)) / 10**digits


def looks_like_ct(reader: NiftiFolder, refs: Sequence[CaseRef]) -> bool:
    """Return whether intensities look like Hounsfield units, from some scans; those that cannot be read are skipped."""
    lowest = []
    for ref in refs[:: -(-len(refs) // CT_TRIED)]:
        try:
            lowest.append(float(reader.load(ref).image.min()))
        except DataError:  # the check names it
            continue
    return bool(lowest) and median(lowest) <= AIR_HU


def split(
    refs: Sequence[CaseRef], sizes: Sizes, held: dict[str, tuple[int, ...]], names: Sequence[str]
) -> dict[str, Any]:
    """Return a split by patient in which a training case holds every class.

    held: case with a mask -> classes. Raises DataError: a class that no draw brings into the training part.
    """
    patients = len({ref.patient for ref in refs})
    val, test = (max(2 if patients >= 8 else 1, round(share * patients)) for share in (0.1, 0.25))
    shares = {"val": round(val / patients, 2), "test": round(test / patients, 2)}
    drawn = {"name": "stratified", "by": None, "train": round(1 - sum(shares.values()), 2), **shares}
    first: DataError | None = None
    for seed in range(SPLITS_TRIED):
        try:
            parts = divide(refs, sizes, held, {**drawn, "seed": seed})
            check_classes(names, *parts)
        except DataError as error:
            first = first or error
        else:
            return {**drawn, "seed": seed}
    assert first is not None
    raise first


def divide(
    refs: Sequence[CaseRef], sizes: Sizes, held: dict[str, tuple[int, ...]], drawn: dict[str, Any]
) -> tuple[list[Scan], list[Scan], list[Scan]]:
    """Return the scans to train, validate and test."""
    scans = [
        Scan(
            ref.case,
            ref.patient,
            ref.attributes,
            sizes.depths[ref.case],
            ref.case in held,
            "scribble" in ref.files,
            held.get(ref.case, ()),
        )
        for ref in refs
    ]
    known = {scan.case: scan for scan in scans}
    parts = SPLITS.build(drawn).assign(scans)
    train, val, test = ([known[case] for case in part] for part in (parts.train, parts.val, parts.test))
    return train, val, test


def budgets(pool: int) -> list[int | float]:
    """Return cumulative budgets: shares of the pool, or slices where these would be very few or very many."""
    if pool > LARGE_POOL:
        return [round(share * LARGE_POOL) for share in SHARES]
    if SHARES[0] * pool >= FEW_SLICES:
        return list(SHARES)
    most = 4 * FEW_SLICES if pool >= 5 * FEW_SLICES else max(pool // 2, 1)
    return sorted({max(most // 4, 1), max(most // 2, 1), most})


def steps(pool: int) -> int:
    """Return the steps of a training on the whole pool: as many per slice as on ACDC."""
    return max(LEAST_STEPS, 100 * round(ACDC_STEPS * pool / ACDC_POOL / 100))
