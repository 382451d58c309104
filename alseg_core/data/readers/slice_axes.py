"""Scans whose slices do not lie along the axis that counts them, or which lie differently from the others."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alseg_core.data.grid import ORDINALS, Grid, SliceAxis, directions, plane_across, stored_axes, turned_codes
from alseg_core.data.readers.reader import CaseRef
from alseg_core.errors import DataError, some

APART = 60.0
"""Axes of two scans that point further apart than this lie in different directions, in degrees."""


def odd_axes(scans: Sequence[tuple[CaseRef, Grid]], chosen: SliceAxis | None, folder: Path) -> list[str]:
    """Return the scans whose slices seem to lie along another axis, and what tells scans apart that lie differently.

    folder: that of the images, for messages.
    """
    if chosen == "third":
        return []
    problems = []
    kinds: list[tuple[str, NDArray[np.float64], list[str]]] = []
    for ref, grid in scans:
        with suppress(DataError):
            axes = stored_axes(grid, chosen)
            slices, coarsest = axes.order[0], grid.coarsest
            if coarsest not in (None, slices) and chosen not in ORDINALS:
                assert coarsest is not None
                problems.append(
                    f"{ref.files['image']}: slices are counted along the {ORDINALS[slices]} stored axis "
                    f"({grid.spacing[slices]:.4g} mm), but the {ORDINALS[coarsest]} is clearly the coarsest "
                    f"({grid.spacing[coarsest]:.4g} mm). {_advice(scans, chosen)}"
                )
            way = directions(grid, axes)
            if way is None:
                continue
            like = next((names for _, other, names in kinds if _alike(way, other)), None)
            if like is None:
                kinds.append((turned_codes(grid.codes, axes), way, [ref.case]))
            else:
                like.append(ref.case)
    if len(kinds) > 1:
        listed = "; ".join(f"{codes} {some(cases)}" for codes, _, cases in kinds)
        problems.append(
            f"{folder}: the axes (columns, rows, slices) of the scans point in different directions: "
            f"{listed}. {_advice(scans, chosen)}"
        )
    return problems


def _alike(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> bool:
    return bool(((ours * theirs).sum(axis=1) > np.cos(np.radians(APART))).all())


def _advice(scans: Sequence[tuple[CaseRef, Grid]], chosen: SliceAxis | None) -> str:
    """Return what to set slice_axis to, so that slices lie along the coarsest axes."""
    planes = {plane_across(grid.codes[grid.coarsest]) for _, grid in scans if grid.codes and grid.coarsest is not None}
    if len(planes) == 1 and chosen not in planes:
        (plane,) = planes
        return f"Set the reader's field slice_axis: {plane} turns all scans alike, third takes them as they are stored."
    if not planes and chosen is None:
        known = any(grid.codes for _, grid in scans)
        plane = "axial, coronal or sagittal" if known else "coarsest"
        return f"Set the reader's field slice_axis: {plane} turns all scans alike, third takes them as they are stored."
    return (
        "They are scans of different planes: keep those of one plane, or set the reader's field slice_axis: third, "
        "which takes them as they are stored."
    )
