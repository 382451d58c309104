"""No two rounds with different trainings have the same scores: they would be one round under two names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from alseg_core.vocabulary import RoundRecord
from bench.bundle.finding import Finding
from bench.bundle.opened import Bundle, label
from bench.report.runs.run import Run

LEAST = 3
"""Scores strictly between 0 and 1 that a round must have to be recognised."""


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield rounds whose Dice equals that of a round of another seed, or with other labelled slices, in every row."""
    known: dict[str, tuple[Run, RoundRecord, str]] = {}
    for run in bundle.started:
        labelled: list[tuple[Any, Any]] = []
        for record in run.records:
            labelled += [(pick["case"], pick["z"]) for pick in record.selected]
            dice = [(row["case"], row["class"], row["dice"]) for row in record.volumes]
            telling = {score for *_, score in dice if isinstance(score, float) and 0 < score < 1}
            if len(telling) < LEAST:
                continue  # networks that have learned nothing are alike
            identity = json.dumps([run.seed, sorted(labelled)])
            other, before, same = known.setdefault(json.dumps(sorted(dice, key=str)), (run, record, identity))
            if same != identity:
                yield Finding(
                    f"{label(run)}, round {record.round + 1} has the scores of {label(other)}, round {before.round + 1}"
                    " in every volume, with another seed or other slices"
                )
