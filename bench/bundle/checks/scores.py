"""The means of every round follow from its rows, which hold every test volume and class once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from alseg_core.evaluate import summarise
from alseg_core.metrics import by_slice
from alseg_core.metrics.metric import DICE, METRICS
from alseg_core.vocabulary import RoundRecord
from bench.bundle.finding import Finding
from bench.bundle.opened import Bundle, label, scored_part
from bench.report.runs.run import Run

SAME = 1e-9
"""Largest difference of a mean that is the same."""
LACKING = {"prediction": 0.0, "truth": 0.0, "both": None}
"""What a structure is missing from -> its Dice."""


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield means that are not those of the rows, and rows that no evaluation gives."""
    truths: dict[tuple[str | None, str, str], bool] = {}  # data, case, class -> whether the truth holds the structure
    for run in bundle.started:
        for record in run.records:
            where = f"{label(run)}, round {record.round + 1}"
            for text in (*_rows(run, record), *_means(run, record), *_best(run, record)):
                yield Finding(f"{where}: {text}")
            for row in record.volumes:
                place, holds = (
                    (run.data_key, str(row["case"]), str(row["class"])),
                    truth_holds(row),
                )
                if truths.setdefault(place, holds) != holds:
                    yield Finding(
                        f"{where}: the truth of {row['case']} {'holds' if holds else 'lacks'} {row['class']}, unlike "
                        "in another round or run"
                    )


def truth_holds(row: Mapping[str, Any]) -> bool:
    """Return whether the truth has the structure that a row is about, as the row says."""
    return row["empty"] not in ("truth", "both")


def _rows(run: Run, record: RoundRecord) -> Iterator[str]:
    config: Mapping[str, Any] = run.config or {}
    cases, owner = run.environment["data"]["cases"].get(scored_part(run), []), run.environment["data"]["patient_of"]
    wanted = Counter((case, name) for case in cases for name in config["dataset"]["classes"][1:])
    rows = Counter((str(row["case"]), str(row["class"])) for row in record.volumes)
    if missing := sorted((wanted - rows).elements()):
        yield f"no score of {missing[0][1]} in {missing[0][0]}, and {len(missing) - 1} more are missing"
    if further := sorted((rows - wanted).elements()):
        yield f"a score of {further[0][1]} in {further[0][0]}, which is not to be scored or was scored already"
    for row in record.volumes:
        if row.get("patient") != owner.get(row["case"]):
            yield f"{row['case']} is of patient {owner.get(row['case'])}, and its row says {row.get('patient')}"
        lacking, dice = str(row["empty"]), row["dice"]
        if lacking in LACKING and dice != LACKING[lacking]:
            yield f"Dice of {row['class']} in {row['case']} is {dice}, and the structure is missing from {lacking}"
        if lacking not in ("", *LACKING) or (lacking == "" and dice is None):
            yield f"the row of {row['class']} in {row['case']} has no Dice, or an unknown kind of empty structure"


def _means(run: Run, record: RoundRecord) -> Iterator[str]:
    classes = (run.config or {})["dataset"]["classes"]
    found = summarise(record.volumes, classes, {**METRICS, **run.metrics})
    found |= by_slice.summary(record.slices) if record.slices else {}
    found["validation_dice"] = record.members[min(record.best, len(record.members) - 1)].get("validation_dice")
    for name in {**found, **record.summary}:
        told, made = record.summary.get(name), found.get(name)
        if name not in found:
            yield f"{name} has a value, but no row gives one"
        elif (told is None) != (made is None) or (told is not None and not _same(told, made)):
            yield f"{name} is {_shown(told)}, and its rows give {_shown(made)}"


def _best(run: Run, record: RoundRecord) -> Iterator[str]:
    """Check that the network with the best validation score was evaluated."""
    wanted = (run.config or {}).get("members")
    if len(record.members) != wanted or record.best >= len(record.members):
        yield f"{len(record.members)} networks are recorded, number {record.best + 1} as the best; {wanted} are trained"
        return
    scores = [member.get("validation_dice") for member in record.members]
    known = [score for score in scores if score is not None]
    if record.best != (scores.index(max(known)) if known else 0):
        yield f"network {record.best + 1} was evaluated, which has not the best {DICE.title} on validation volumes"


def _same(told: float, made: float | None) -> bool:
    return made is not None and math.isclose(told, made, rel_tol=SAME, abs_tol=SAME)


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.6g}"
