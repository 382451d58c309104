"""How good the networks of each round are: on validation scans, or else by cross-validation, which is kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from alseg_core import seeding
from alseg_core.atomic import write_atomic
from alseg_core.config import RunConfig
from alseg_core.cross_validation import cross_validate, interval_over_patients
from alseg_core.errors import DataError
from alseg_core.intact import mapping_of
from alseg_core.material import Material
from alseg_core.metrics.means import mean_defined
from alseg_core.resume import picks
from alseg_core.vocabulary import IntArray, LabelArray, RoundRecord
from bench.project.project import Project
from bench.project.rounds import material_of

KEPT = "estimates.json"
"""File of the project that keeps cross-validations."""
FOLDS = 5
"""Most networks that a cross-validation trains."""
ENOUGH_PATIENTS = 10
"""Patients below which a 95 % interval of resampled patients is clearly too narrow."""


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


class Measuring(Protocol):
    """Follows cross-validations while they go on."""

    def begin(self, seconds: Mapping[int, float]) -> None:
        """Rounds will be measured: number of each -> expected duration in seconds."""

    def move(self, number: int, share: float) -> None:
        """Say that a share, 0..1, of a round's cross-validation is done."""

    def end(self, number: int, outcome: str, failed: bool) -> None:
        """Say that a round is measured, or cannot be."""


def scores(project: Project, records: Sequence[RoundRecord], measuring: Measuring | None = None) -> list[Score]:
    """Return the score of every finished round.

    measuring: follows the cross-validations; None leaves out what is not known yet.
    """
    if records and records[-1].volumes:
        return [_validated(record, project.decided.run["seed"]) for record in records]
    return _cross_validated(project, records, measuring) if records else []


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


def _cross_validated(project: Project, records: Sequence[RoundRecord], measuring: Measuring | None) -> list[Score]:
    config = project.config([record.labelled for record in records])
    _, material = material_of(project)
    kept = mapping_of(project.folder / KEPT) or {}
    labelled = _labelled(config, material, records)
    names = [_name(config, number, *found) for number, found in enumerate(labelled)]
    unknown = [number for number, name in enumerate(names) if name not in kept]
    entries = [kept.get(name, {"how": "not measured yet"}) for name in names]
    if measuring is not None and unknown:
        measuring.begin({number: FOLDS * records[number].seconds["train"] / config.members for number in unknown})
        for number in unknown:
            entry = entries[number] = _measured(config, material, number, *labelled[number], measuring)
            failed = "dice" not in entry
            measuring.end(number, entry["how"] if failed else _told(entry), failed)
            if not failed:
                kept[names[number]] = entry
                write_atomic(project.folder / KEPT, json.dumps(kept, indent=1))
    marked = project.decided.kind == "scribble"
    return [_score(record, entry, marked) for record, entry in zip(records, entries, strict=True)]


def _labelled(
    config: RunConfig, material: Material, records: Sequence[RoundRecord]
) -> list[tuple[IntArray, LabelArray]]:
    """Return the slices (L,) that are annotated up to each round, and their labels (L, H, W) as they are now.

    All labels are read once; a round's are the first of them.
    """
    bought = picks(records, material.slices.table)
    positions = np.concatenate(bought)
    vault = material.vault(config.evaluate.part)
    labels = config.annotation.annotate(vault, material.slices, positions, config.seed).labels
    return [(positions[:count], labels[:count]) for count in np.cumsum([len(own) for own in bought])]


def _name(config: RunConfig, number: int, positions: IntArray, labels: LabelArray) -> str:
    """Return the name of a cross-validation, by what it follows from."""
    key = hashlib.sha256(positions.tobytes() + labels.tobytes() + config.fingerprint.encode())
    return f"{number}-{key.hexdigest()[:16]}"


def _measured(
    config: RunConfig,
    material: Material,
    number: int,
    positions: IntArray,
    labels: LabelArray,
    measuring: Measuring,
) -> dict[str, Any]:
    """Cross-validate a round; return what is kept of it, or only the reason, as "how", why that is impossible."""
    try:
        found = cross_validate(
            config,
            material,
            positions,
            labels,
            number,
            config.resolve_device(),
            FOLDS,
            lambda share: measuring.move(number, share),
        )
    except DataError as error:  # too few patients
        return {"how": str(error)}
    return {
        "dice": found.dice,
        "patients": found.scores,
        "classes": _means(found.rows, "class"),
        "interval": found.interval,
        "how": (
            f"cross-validation over the annotated slices of {found.patients} patients, {found.folds} folds. They are "
            "not the scores of whole scans: slices that were picked because they are hard score lower, and every round "
            "is judged on more slices than the one before"
        ),
    }


def _told(entry: Mapping[str, Any]) -> str:
    return "no foreground to score" if entry["dice"] is None else f"Dice {entry['dice']:.3f}"


def _score(record: RoundRecord, entry: Mapping[str, Any], marked: bool) -> Score:
    """Return the score of a round. marked: whether it is of marked pixels alone, as there are no whole masks."""
    if "dice" not in entry:
        return Score(record.round, record.labelled, None, how=entry["how"])
    interval = entry["interval"]
    return Score(
        record.round,
        record.labelled,
        entry["dice"],
        entry["patients"],
        entry["classes"],
        None if interval is None else (interval[0], interval[1]),
        entry["how"] + (". Dice is that of the marked pixels alone: what no stroke covers is not judged" * marked),
    )
