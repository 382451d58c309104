"""Which volume, of which patient, is in which part of the split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from bench.report.runs.run import Run

CASES = ["dataset", "seeds", "part", "case", "patient"]
"""Columns of ``Results.cases``. seeds: "all", or those whose runs have this split; patient: "" in older runs."""
PARTS = {"train": "training", "val": "validation", "test": "test"}
"""Part of a split -> its name in a report."""


def cases(runs: Iterable[Run]) -> pd.DataFrame:
    """Return a row per volume of each split, columns :data:`CASES`; runs that do not record theirs have none."""
    splits: dict[str, dict[tuple[Any, ...], set[int]]] = {}  # dataset -> rows of a split -> seeds
    for run in runs:
        if rows := _rows(run):
            splits.setdefault(run.setting[0], {}).setdefault(rows, set()).add(run.seed)
    return pd.DataFrame(
        [
            (dataset, "all" if len(known) == 1 else ", ".join(map(str, sorted(seeds))), *row)
            for dataset, known in splits.items()
            for rows, seeds in known.items()
            for row in rows
        ],
        columns=CASES,
    )


def patients(runs: Sequence[Run], part: str) -> list[str] | None:
    """Return the patients of a part, by case where they are not recorded; None if unknown or if splits differ."""
    found = {rows for run in runs if (rows := _rows(run))}
    if len(found) != 1:
        return None
    return list(dict.fromkeys(patient or case for where, case, patient in found.pop() if where == PARTS[part]))


def _rows(run: Run) -> tuple[tuple[str, str, str], ...]:
    """Return (part, case, patient) of the volumes of a run."""
    data = run.environment.get("data", {})
    of = data.get("patient_of", {})
    parts = data.get("cases", {})
    return tuple((name, case, of.get(case, "")) for part, name in PARTS.items() for case in parts.get(part, ()))
