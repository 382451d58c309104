"""The worklist: one row an asked slice, with columns for the annotator to fill in."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from bench.project.exchange.places import AXES, Place

COLUMNS = (
    "rank",
    "case",
    "patient",
    "z",
    "axis",
    "index",
    "plane",
    "itksnap_slice",
    "mitk_slice",
    "right_mm",
    "anterior_mm",
    "superior_mm",
    "left_mm",
    "posterior_mm",
    "why",
    "score",
    "estimated_minutes",
    "done",
    "minutes",
    "annotator",
)
BOM = "\ufeff"
"""Tells spreadsheet programs that the file is UTF-8."""


def worklist(places: Sequence[Place]) -> str:
    """Return the table as CSV; the last three columns are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for place in places:
        asked, (left, posterior, superior) = place.asked, place.lps
        writer.writerow(
            [
                asked.rank,
                asked.case,
                place.scan.patient,
                asked.z,
                AXES[place.axis],
                place.index,
                place.plane,
                place.snap,
                place.index,
                *(mm(value) for value in (-left, -posterior, superior, left, posterior)),
                asked.why,
                "" if asked.score is None else f"{asked.score:.6g}",
                f"{asked.minutes:.3g}",
                "",
                "",
                "",
            ]
        )
    return BOM + text.getvalue()


def mm(value: float) -> str:
    """Return a position with three decimals, without a sign before zero."""
    return f"{round(value, 3) + 0.0:.3f}"
