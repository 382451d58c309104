"""Grid, split, budgets and steps that follow from the scans, by analogy with the quick preset of ACDC."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from alseg_core.data.class_check import check_classes
from alseg_core.data.grid import stored_axes
from alseg_core.data.nifti import read_grid
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
SHARES = (0.02, 0.05, 0.12)
LARGE_POOL = 2_000
"""With more slices, budgets are those of a pool of this size: a larger share would be much work to annotate."""
SPLITS_TRIED = 20


@dataclass(frozen=True)
class Sizes:
    """Lengths of the scans."""

    depths: dict[str, int]
    """Case -> slices."""
    spacing_mm: float
    """Median distance of pixels in the slice."""
    field_mm: float
    """Longest side of a slice: median over the scans."""
    widest_mm: float
    """Longest side of a slice: largest."""
    widest: str
    """Case with that side."""


def read_sizes(reader: NiftiFolder, refs: Sequence[CaseRef]) -> Sizes:
    """Return the lengths of all scans from their headers. Raises DataError for a header that cannot be used."""
    depths, steps, sides = {}, [], {}
    for ref in refs:
        grid = read_grid(ref.files["image"], reader.geometry)
        order = stored_axes(grid, reader.slice_axis).order
        depths[ref.case] = grid.shape[order[0]]
        steps += [grid.spacing[axis] for axis in order[1:]]
        sides[ref.case] = max(grid.shape[axis] * grid.spacing[axis] for axis in order[1:])
    widest = max(sides, key=lambda case: sides[case])
    return Sizes(depths, median(steps), median(sides.values()), sides[widest], widest)


def grid(sizes: Sizes, largest: int = LARGEST) -> tuple[int, float]:
    """Return pixels and their distance in mm of a square grid that holds the whole of every slice."""
    native = sizes.widest_mm / sizes.spacing_mm
    size = int(np.clip(STEP * math.ceil(native / STEP), SMALLEST, largest))
    exact = max(sizes.widest_mm / size, sizes.spacing_mm)
    digits = 2 - math.floor(math.log10(exact))
    return size, math.ceil(round(exact * 10**digits, 6)) / 10**digits


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
