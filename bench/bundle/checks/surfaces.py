"""Rows hold the distances of surfaces wherever an evaluation computes them, and what it gives for missing structures.

Leaving out the bad ones would make their means better, as undefined scores are left out of means.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alseg_core.evaluate import Evaluation
from alseg_core.metrics.metric import ASSD, HD95, NSD
from alseg_core.metrics.surface_area import AreaNSD
from alseg_core.registry import describe
from bench.bundle.finding import Finding
from bench.bundle.opened import Bundle, evaluation_of, label
from bench.report.runs.run import Run

DISTANCES = (HD95.name, ASSD.name)
SLACK = 1e-6
"""Share by which numbers may miss one another that follow from one another."""


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield rows without the scores of surfaces, with other ones for a missing structure, or with some that differ."""
    diagonals: dict[tuple[str | None, str], float] = {}  # data, case -> diagonal of the volume in mm
    for run in bundle.started:
        columns = _columns(run)
        tolerance_mm = float(evaluation_of(run).get("nsd_tolerance_mm", Evaluation.nsd_tolerance_mm))
        for record in run.records:
            for row in record.volumes:
                text = _row(row, columns, tolerance_mm)
                if text is None and row["empty"] in ("prediction", "truth") and HD95.name in columns:
                    told = float(str(row[HD95.name]))
                    known = diagonals.setdefault((run.data_key, str(row["case"])), told)
                    if not math.isclose(told, known, rel_tol=SLACK):
                        text = f"the diagonal of the volume is {told:g} mm, and {known:g} mm in another row"
                if text is not None:
                    yield Finding(f"{label(run)}, round {record.round + 1}: {row['class']} in {row['case']}: {text}")


def _columns(run: Run) -> list[str]:
    """Return the names of the scores of surfaces that the settings ask for."""
    further = [
        value if isinstance(value, str) else value.get("name") for value in evaluation_of(run).get("metrics", ())
    ]
    area = str(describe(AreaNSD())["name"])
    return [
        *((*DISTANCES, NSD.name) if evaluation_of(run).get("surface", Evaluation.surface) else ()),
        *((AreaNSD.metric.name,) if area in further else ()),
    ]


def _row(row: Mapping[str, Any], columns: Sequence[str], tolerance_mm: float) -> str | None:
    """Return what no evaluation writes in a row; None if there is nothing."""
    scores = {name: row.get(name) for name in (*DISTANCES, NSD.name, AreaNSD.metric.name)}
    if further := [name for name, score in scores.items() if score is not None and name not in columns]:
        return f"it has {further[0]}, which its settings do not ask for"
    if row["empty"] == "both":
        told = [name for name in columns if scores[name] is not None]
        return f"{told[0]} has a value, and nobody has the structure" if told else None
    if lacking := [name for name in columns if scores[name] is None]:
        return f"{lacking[0]} is missing"
    if row["empty"] != "":
        return _missing(scores, columns)
    return _both(row, scores, tolerance_mm) if NSD.name in columns else None


def _missing(scores: Mapping[str, Any], columns: Sequence[str]) -> str | None:
    """Check the scores of a structure that is missing from one side: the diagonal of the volume, and no surface."""
    if told := [name for name in columns if name not in DISTANCES and scores[name] != 0]:
        return f"{told[0]} is {scores[told[0]]:g}, and 0 where one side lacks the structure"
    if NSD.name in columns and not scores[HD95.name] == scores[ASSD.name] > 0:
        return "its distances are not one diagonal of the volume, as where one side lacks the structure"
    return None


def _both(row: Mapping[str, Any], scores: Mapping[str, Any], tolerance_mm: float) -> str | None:
    """Check that the distances and NSD fit one another: the share beyond the tolerance raises the mean distance."""
    hd95, assd, nsd = scores[HD95.name], scores[ASSD.name], scores[NSD.name]
    if (1 - nsd) * tolerance_mm > assd * (1 + SLACK) + SLACK:
        return f"{NSD.title} is {nsd:.3g}, which is too low for an {ASSD.title} of {assd:.3g} mm"
    if nsd == 1 and max(hd95, assd) > tolerance_mm * (1 + SLACK):
        return f"{NSD.title} is 1, and {HD95.title} {hd95:.3g} mm is beyond the tolerance of {tolerance_mm:g} mm"
    if row["dice"] == 1 and (max(hd95, assd) > 0 or nsd < 1):
        return "its surfaces differ, and its labels do not"
    return None
