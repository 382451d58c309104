"""No two rounds with different trainings have the same scores: they would be one round under two names."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from alseg_core.vocabulary import RoundRecord
from bench.bundle.finding import Finding
from bench.bundle.opened import Bundle, label
from bench.report.runs.run import Run

LEAST = 3
"""Telling scores that a round must have to be recognised."""


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield rounds whose Dice equals that of a round of another seed, or with other labelled slices, in every row."""
    known: dict[str, tuple[Run, RoundRecord, str]] = {}
    for run in bundle.started:
        labelled: list[tuple[Any, Any]] = []
        for record in run.records:
            labelled += [(pick["case"], pick["z"]) for pick in record.selected]
            dice = [(row["case"], row["class"], row["dice"]) for row in record.volumes]
            if len(_telling(record)) < LEAST:
                continue  # networks that have learned nothing are alike
            identity = json.dumps([run.seed, sorted(labelled)])
            other, before, same = known.setdefault(json.dumps(sorted(dice, key=str)), (run, record, identity))
            if same != identity:
                yield Finding(
                    f"{label(run)}, round {record.round + 1} has the scores of {label(other)}, round {before.round + 1}"
                    " in every volume, with another seed or other slices"
                )


def _telling(record: RoundRecord) -> set[float]:
    """Return the Dice strictly between 0 and 1 of volumes in which a network tells classes apart.

    One that predicts a single class, perhaps everywhere, has the scores of any other that does.
    """
    classes = len({row["class"] for row in record.volumes})
    predicted = Counter(row["case"] for row in record.volumes if row["empty"] not in ("prediction", "both"))
    return {
        score
        for row in record.volumes
        if isinstance(score := row["dice"], float) and 0 < score < 1 and predicted[row["case"]] >= min(2, classes)
    }
