"""The ledger: test labels are read by the evaluation alone, after everything is chosen and trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from alseg_core.errors import plural
from alseg_core.oracles import Oracle
from alseg_core.oracles.mask import Mask
from alseg_core.oracles.scribble import Scribble
from alseg_core.vocabulary import RoundRecord, reads_ground_truth
from bench.bundle.finding import Finding
from bench.bundle.opened import Bundle, evaluation_of, label, scored_part
from bench.report.runs.run import Run

TRAINING, VALIDATION = "training labels", "validation masks"
TEST, POOL, REFERENCE = "test masks", "masks of the pool", "ground truth for reference"
"""Kinds of labels in a ledger."""
READERS = {
    TRAINING: ("oracle",),
    VALIDATION: ("validation", "evaluation", "pictures"),
    TEST: ("evaluation", "pictures"),
    POOL: ("evaluation",),
}
"""Kind of labels -> who may read it."""
LATE = ("evaluation", "pictures")
"""Who reads when everything of a round is chosen and trained."""
SAME = 1e-6
"""Largest difference of costs that are the same."""


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield labels that somebody may not have read, or not so early, reads that are missing, and other prices."""
    for run in bundle.started:
        spent = 0.0
        for record in run.records:
            spent += sum(float(str(entry["cost"])) for entry in record.ledger if entry["what"] == TRAINING)
            annotation = bundle.loaded[run.key].annotation
            texts = [*_readers(run, record), *_order(record), *_amounts(run, record), *_costs(record, annotation)]
            if not math.isclose(spent, record.cost, rel_tol=SAME, abs_tol=SAME):
                texts.append(f"labels cost {record.cost:g} so far, and the ledger adds up to {spent:g}")
            for text in texts:
                yield Finding(f"{label(run)}, round {record.round + 1}: {text}")


def _readers(run: Run, record: RoundRecord) -> Iterator[str]:
    for entry in record.ledger:
        who, what = str(entry["who"]), str(entry["what"])
        if what == REFERENCE:
            if not (reads_ground_truth(run.recipe) and who == run.recipe):
                yield f"{who} read the ground truth of the pool, which only a recipe named oracle_... may"
        elif who not in READERS.get(what, ()):
            allowed = " or ".join(READERS.get(what, ())) or "nobody"
            yield f"{who} read {what}, which is for {allowed} alone"
        if what == POOL and not evaluation_of(run).get("by_slice"):
            yield f"{who} read {what}, and evaluate.by_slice is not set"
        if what == TEST and scored_part(run) != "test":
            yield f"{who} read {what}, which are sealed where validation volumes are scored"


def _order(record: RoundRecord) -> Iterator[str]:
    """Check that nobody reads for the first time after the evaluation; entries stand in the order of first reads."""
    late = [str(entry["who"]) in LATE for entry in record.ledger]
    if late != sorted(late):
        first = record.ledger[late.index(True)]
        yield f"{first['what']} were read before everything was chosen and trained"


def _amounts(run: Run, record: RoundRecord) -> Iterator[str]:
    """Check the numbers of slices: those bought, and every test slice once."""
    read = {what: sum(_slices(entry) for entry in record.ledger if entry["what"] == what) for what in READERS}
    if read[TRAINING] != len(record.selected):
        yield f"labels of {read[TRAINING]} slices were read for training, and {len(record.selected)} were picked"
    sizes = run.environment["data"]["slices"]
    by_evaluation = sum(
        _slices(entry) for entry in record.ledger if (entry["who"], entry["what"]) == ("evaluation", TEST)
    )
    wanted = sizes["test"] if scored_part(run) == "test" else 0
    if by_evaluation != wanted:
        yield f"the evaluation read {by_evaluation} test slices, and there are {wanted} to read"
    wanted = validation_slices(run)
    read_once = sum(
        _slices(entry) for entry in record.ledger if (entry["who"], entry["what"]) == ("validation", VALIDATION)
    )
    if read_once != wanted:
        yield f"validation read {read_once} slices, and its settings are {wanted}"


def validation_slices(run: Run) -> int:
    """Return how many labelled validation slices the settings of a run ask for."""
    amount = (run.config or {}).get("validation", "all")
    known = {"all": run.environment["data"]["slices"]["val"], "none": 0}
    wanted: int = known.get(amount, amount) if isinstance(amount, str) else amount
    return wanted


def _costs(record: RoundRecord, annotation: Oracle | None) -> Iterator[str]:
    """Check what each kind of labels cost: a full mask costs one slice, and those of validation are bought once."""
    for entry in record.ledger:
        what, cost, slices = str(entry["what"]), float(str(entry["cost"])), _slices(entry)
        each = _each(what, str(entry["who"]), record.round, annotation)
        if each is not None and not math.isclose(cost, each * slices, rel_tol=SAME, abs_tol=SAME):
            yield f"{what} of {plural(slices, 'slice')} cost {cost:g}, and {each * slices:g} is their price"


def _each(what: str, who: str, number: int, annotation: Oracle | None) -> float | None:
    """Return the cost of one slice in full-slice equivalents; None for annotation by code from elsewhere."""
    if what == VALIDATION:
        return 1.0 if number == 0 and who == "validation" else 0.0
    if what != TRAINING:
        return 1.0
    return 1.0 if isinstance(annotation, Mask) else annotation.cost if isinstance(annotation, Scribble) else None


def _slices(entry: Mapping[str, Any]) -> int:
    return int(entry["slices"])
