"""How good the networks of each round are: on validation scans, or else by cross-validation, which is kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alseg_core import seeding
from alseg_core.atomic import write_atomic
from alseg_core.cross_validation import cross_validate, interval_over_patients
from alseg_core.errors import DataError
from alseg_core.intact import mapping_of
from alseg_core.metrics.means import mean_defined
from alseg_core.resume import picks
from alseg_core.vocabulary import RoundRecord
from bench.project.project import Project
from bench.project.rounds import material_of

KEPT = "estimates.json"
"""File of the project that keeps cross-validations."""


@dataclass(frozen=True)
class Score:
    """How good the networks of one round are."""

    round: int
    """0-based number of the round."""
    labelled: int
    """Annotated slices up to it."""
    dice: float | None
    """Mean Dice, 0..1; None if there is nothing to measure it on."""
    patients: Mapping[str, float] = field(default_factory=dict)
    """Patient -> mean Dice."""
    classes: Mapping[str, float] = field(default_factory=dict)
    """Class -> mean Dice."""
    interval: tuple[float, float] | None = None
    """95 % interval over patients; None if not known."""
    how: str = ""
    """What it was measured on."""


def scores(
    project: Project, records: Sequence[RoundRecord], progress: Callable[[int, float], None] | None = None
) -> list[Score]:
    """Return the score of every finished round.

    progress: called with the number of a round whose cross-validation is going on, and its share that is done; None
    leaves out what is not known yet.
    """
    if records and records[-1].volumes:
        return [_validated(record, project.decided.run["seed"]) for record in records]
    return _cross_validated(project, records, progress)


def _validated(record: RoundRecord, seed: int) -> Score:
    patients = _means(record.volumes, "patient")
    people = {row["patient"] for row in record.volumes}
    return Score(
        record.round,
        record.labelled,
        record.summary.get("dice"),
        patients,
        _means(record.volumes, "class"),
        interval_over_patients(
            [patients[name] for name in sorted(patients)], seeding.stream(seed, "project", "interval")
        ),
        f"{len({row['case'] for row in record.volumes})} validation scans of {len(people)} patients, which also chose "
        "the weights",
    )


def _means(rows: Sequence[Mapping[str, Any]], by: str) -> dict[str, float]:
    """Return the mean Dice of each patient or class, ``by`` the key of that name, where it is defined."""
    names = dict.fromkeys(str(row[by]) for row in rows)
    means = {name: mean_defined(row["dice"] for row in rows if row[by] == name) for name in names}
    return {name: value for name, value in means.items() if value is not None}


def _cross_validated(
    project: Project, records: Sequence[RoundRecord], progress: Callable[[int, float], None] | None
) -> list[Score]:
    if not records:
        return []
    budgets = [record.labelled for record in records]
    config = project.config(budgets)
    _, material = material_of(project)
    bought = picks(records, material.slices.table)
    path = project.folder / KEPT
    kept = mapping_of(path) or {}
    found = []
    for record in records:
        positions = np.concatenate(bought[: record.round + 1])
        annotation = config.annotation.annotate(
            material.vault(config.evaluate.part), material.slices, positions, config.seed
        )
        key = hashlib.sha256(
            positions.tobytes() + annotation.labels.tobytes() + config.fingerprint.encode()
        ).hexdigest()
        name = f"{record.round}-{key[:16]}"
        if name not in kept:
            if progress is None:
                found.append(Score(record.round, record.labelled, None, how="not measured yet"))
                continue
            number = record.round
            try:
                done = cross_validate(
                    config,
                    material,
                    positions,
                    annotation.labels,
                    number,
                    config.resolve_device(),
                    progress=lambda share, number=number: progress(number, share),  # type: ignore[misc]
                )
            except DataError as error:  # too few patients
                found.append(Score(record.round, record.labelled, None, how=str(error)))
                continue
            kept[name] = {
                "dice": done.dice,
                "patients": done.scores,
                "classes": _means(done.rows, "class"),
                "interval": done.interval,
                "how": (
                    f"cross-validation over the annotated slices of {done.patients} patients, {done.folds} folds. They "
                    "are not the scores of whole scans: slices that were picked because they are hard score lower, and "
                    "every round is judged on more slices than the one before"
                ),
            }
            write_atomic(path, json.dumps(kept, indent=1))
        entry = kept[name]
        interval = entry["interval"]
        found.append(
            Score(
                record.round,
                record.labelled,
                entry["dice"],
                entry["patients"],
                entry["classes"],
                None if interval is None else (interval[0], interval[1]),
                entry["how"],
            )
        )
    return found
