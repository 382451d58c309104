"""Networks were trained as long as their settings say, as this version reads them, whatever the run says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alseg_core.config import RunConfig
from alseg_core.outside import PATTERN
from bench.bundle.finding import Finding
from bench.bundle.opened import Bundle, label
from bench.report.runs.run import Run


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield plans of training that are not those of the settings or of other runs, and networks trained otherwise."""
    plans: dict[str, tuple[Run, Sequence[int]]] = {}
    for run in bundle.started:
        where = label(run)
        told: Sequence[int] | None = run.environment["data"].get("iterations")
        steps = _steps(run, bundle.loaded[run.key].planned)
        planned = told if steps is None else steps
        if planned is None:
            yield Finding(f"{where}: the steps of its training are not recorded, and its settings do not tell them")
            continue
        if told is not None and list(told) != list(planned):
            yield Finding(f"{where}: trainings of {_list(told)} steps are recorded, its settings give {_list(planned)}")
        if len(planned) < len(run.records):
            yield Finding(f"{where}: {len(run.records)} rounds are finished, steps of {len(planned)} are planned")
        train = (run.config or {})["train"]
        other, known = plans.setdefault(json.dumps([run.setting, run.seed, train], sort_keys=True), (run, planned))
        if list(planned) != list(known):
            yield Finding(
                f"{where}: trainings of {_list(planned)} steps are planned, and of {_list(known)} in {label(other)}, "
                "which trains as it does"
            )
        yield from _members(run, planned, _may_stop(train))


def _steps(run: Run, config: RunConfig | None) -> Sequence[int] | None:
    """Return the steps of each round; None where the settings of the training cannot be loaded."""
    return None if config is None else config.steps(int(run.environment["data"]["slices"]["train"]))


def _may_stop(train: Mapping[str, Any]) -> bool:
    """Return whether the trainer is code from elsewhere, which may stop early; that of alseg never does."""
    return PATTERN.fullmatch(str(train.get("name", ""))) is not None


def _members(run: Run, planned: Sequence[int], may_stop: bool) -> Iterator[Finding]:
    for record, wanted in zip(run.records, planned, strict=False):
        for member in record.members:
            took = member.get("iterations") or 0
            if took > wanted or (took < wanted and not may_stop):
                where = f"{label(run)}, round {record.round + 1}"
                yield Finding(f"{where}: a network was trained for {took:g} steps, and {wanted} are planned")


def _list(steps: Sequence[int]) -> str:
    return ", ".join(map(str, steps))
