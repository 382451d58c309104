"""What does not depend on the recipe is the same: slices cost the same, a first training gives the same scores."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from alseg_core.errors import plural
from alseg_core.oracles.minutes import Minutes
from alseg_core.registry import construct
from alseg_core.vocabulary import RoundRecord
from bench.bundle.checks.labels import validation_slices
from bench.bundle.finding import Finding
from bench.bundle.opened import Bundle, label
from bench.report.runs.run import Run

BOUGHT = ("cost", "marked", "foreground", "cover_radius")
"""What labels bring and cost: equal for equal slices."""
CLOSE = 1e-4
"""Largest relative difference of what two devices compute of the same slices."""
SCORE = 1e-3
"""Largest difference of Dice where one network is scored on two devices."""


MINUTE = 0.0015
"""Minutes by which sums may be less, each being rounded to thousandths."""


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield runs with the same labelled slices and other costs, and first rounds with the same training and others."""
    bought: dict[str, tuple[Run, RoundRecord]] = {}
    timed: dict[str, tuple[Run, RoundRecord]] = {}
    validated: dict[str, tuple[Run, RoundRecord]] = {}
    trained: dict[str, tuple[Run, RoundRecord]] = {}
    for run in bundle.started:
        labelled: list[tuple[str, int]] = []
        for record in run.records:
            labelled += [(str(pick["case"]), int(str(pick["z"]))) for pick in record.selected]
            slices = _text([run.data_key, run.seed, sorted(labelled), *_bought_by(run.config or {})])
            other, before = bought.setdefault(slices, (run, record))
            for fact, told, known in _differing(record, before):
                yield Finding(
                    f"{label(run)}, round {record.round + 1}: {fact} is {told}, and {known} for the same slices in "
                    f"{label(other)}"
                )
        yield from _timed(run, timed)
        yield from _validated(run, validated)
        first = run.records[0]
        training = _text([run.data_key, run.seed, _picks(first), *_trained_by(run.config or {}), _where(first)])
        other, before = trained.setdefault(training, (run, first))
        if not _scored_alike(first, before):
            yield Finding(
                f"{label(run)}: its first round has other scores than {label(other)}, which has the same training "
                "on the same slices"
            )
        yield from _radius(run)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _picks(record: RoundRecord) -> list[Any]:
    return [(pick["case"], pick["z"]) for pick in record.selected]


def _bought_by(config: Mapping[str, Any]) -> list[Any]:
    """Return the settings that labels and their cost depend on; proposals of a network make minutes depend on more."""
    return [config.get("annotation"), config.get("minutes"), config.get("cover")]


def _trained_by(config: Mapping[str, Any]) -> list[Any]:
    names = ("annotation", "train", "members", "validation", "evaluate", "threads", "budgets")
    return [config.get(name) for name in names]


def _where(record: RoundRecord) -> list[Any]:
    return [record.made_by.get("torch"), record.made_by.get("device"), record.signals.get("network")]


def _differing(record: RoundRecord, before: RoundRecord) -> Iterator[tuple[str, Any, Any]]:
    for fact in BOUGHT:
        told, known = getattr(record, fact), getattr(before, fact)
        if not _same(told, known):
            yield fact, told, known


def _same(told: float | None, known: float | None) -> bool:
    return None in (told, known) or math.isclose(told or 0, known or 0, rel_tol=CLOSE, abs_tol=CLOSE)


def _timed(run: Run, known: dict[str, tuple[Run, RoundRecord]]) -> Iterator[Finding]:
    """Yield minutes that do not fit what was bought, or those of a run with the same picks in the same rounds.

    A round takes the time to open its volumes and to look at its slices, whatever is drawn in them.
    """
    config = run.config or {}
    model = _model(run)
    picks: list[Any] = []
    spent = 0.0
    for record in run.records:
        if record.minutes is None:
            return  # people gave the labels, or a version that did not count
        where = f"{label(run)}, round {record.round + 1}"
        opened = {str(pick["case"]) for pick in record.selected}
        least = _least(model, len(opened), len(record.selected))
        if record.minutes - spent < least - MINUTE:
            yield Finding(
                f"{where}: annotation took {record.minutes - spent:g} minutes, and opening "
                f"{plural(len(opened), 'volume')} with {plural(len(record.selected), 'slice')} takes {least:g}"
            )
        spent = record.minutes
        picks.append(sorted(_picks(record)))
        if model.prefill and record.round:
            continue  # a network of the round before has drawn part of it
        other, before = known.setdefault(_text([run.data_key, run.seed, picks, *_bought_by(config)]), (run, record))
        if not _same(record.minutes, before.minutes):
            yield Finding(
                f"{where}: minutes is {record.minutes}, and {before.minutes} for the same picks in {label(other)}"
            )


def _model(run: Run) -> Minutes:
    model: Minutes = construct(Minutes, (run.config or {}).get("minutes") or {}, "minutes")
    return model


def _least(model: Minutes, volumes: int, slices: int) -> float:
    """Return the minutes of opening volumes and looking at slices, whatever is drawn in them."""
    return volumes * model.open_volume + slices * model.slice


def _validated(run: Run, known: dict[str, tuple[Run, RoundRecord]]) -> Iterator[Finding]:
    """Yield minutes of validation labels other than those of a run that bought the same, all of them in one round.

    They are outlines, whatever the annotation of the pool.
    """
    config, data = run.config or {}, run.environment["data"]
    amount = config.get("validation", "all")
    drawn = run.seed if isinstance(amount, int) else None
    bought = [run.data_key, amount, drawn, data["cases"].get("val"), config.get("minutes")]
    slices = validation_slices(run)
    least = _least(_model(run), min(len(data["cases"].get("val", ())), slices), slices)
    for record in run.records:
        if record.validation_minutes is None:
            return  # as in _timed
        where = f"{label(run)}, round {record.round + 1}"
        if record.validation_minutes < least - MINUTE:
            yield Finding(
                f"{where}: validation labels took {record.validation_minutes:g} minutes, and opening their volumes "
                f"and looking at their slices takes {least:g}"
            )
        other, before = known.setdefault(_text(bought), (run, record))
        if not _same(record.validation_minutes, before.validation_minutes):
            yield Finding(
                f"{where}: validation_minutes is {record.validation_minutes}, and {before.validation_minutes} for the "
                f"same labels in {label(other)}, round {before.round + 1}"
            )


def _scored_alike(one: RoundRecord, other: RoundRecord) -> bool:
    def dice(record: RoundRecord) -> dict[tuple[str, str], Any]:
        return {(str(row["case"]), str(row["class"])): row["dice"] for row in record.volumes}

    ours, theirs = dice(one), dice(other)
    if set(ours) != set(theirs):
        return False
    pairs = [(ours[place], theirs[place]) for place in ours]
    return all(a == b or (None not in (a, b) and abs(a - b) <= SCORE) for a, b in pairs)


def _radius(run: Run) -> Iterator[Finding]:
    """Yield rounds in which the cover radius grows, although slices were added."""
    for before, record in zip(run.records, run.records[1:], strict=False):
        if record.cover_radius > before.cover_radius * (1 + CLOSE) + CLOSE:
            yield Finding(
                f"{label(run)}, round {record.round + 1}: the cover radius grows from {before.cover_radius:.4g} to "
                f"{record.cover_radius:.4g}, which more labelled slices cannot do"
            )
