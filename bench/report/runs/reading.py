"""Reading one run folder, whose files may be damaged, changed, or come from elsewhere."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from alseg_core.errors import ResultsError
from alseg_core.results import FILES, RunFolder
from alseg_core.visible import visible
from alseg_core.vocabulary import RoundRecord
from bench.report.runs.run import Run
from bench.report.runs.schema import check
from bench.study import foreign

REASON = 1000
"""Characters of a failure's reason that are kept."""
CHECKED_BYTES = 10**9
"""Largest file whose checksum is compared; a network of a hundred million weights has 400 MB."""


def read(place: Path, facts: Mapping[str, Any], problems: list[str]) -> Run:
    """Read the run in ``place``, one without rounds that has failed if its files are damaged, which is a problem."""
    folder = RunFolder(place)
    if not os.path.lexists(place):
        return Run(**facts, folder=place)
    try:
        foreign.check_folder(place)
        content = foreign.mapping(place / "config.json")
        records = _records(folder)
        if len(records) > len(facts["budgets"]):
            raise ResultsError(f"{len(records)} rounds for {len(facts['budgets'])} budgets")
        environment, reason = _environment(folder, records, problems), folder.failure()
        check(content.get("config"), environment, records)
        run = Run(
            **facts,
            folder=place,
            config=content["config"] if content else None,
            data_key=str(content["data_key"]) if content else None,
            environment=environment,
            records=records,
            failure=None if reason is None else visible(reason, REASON),
        )
        if fault := folder.check(records):
            raise ResultsError(f"{fault}; the command that made the study writes it again")
        _check_owner(run)
        _ = run.metrics  # whether they can be read shows here
        problems.extend(f"run {place}: {line}" for line in _changed(folder, records))
        return run
    except (ResultsError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        problems.append(f"run {place} is damaged ({short(error)}); left out.")
        return Run(**facts, folder=place, failure=visible(f"its folder is damaged: {short(error)}", REASON))


def _records(folder: RunFolder) -> tuple[RoundRecord, ...]:
    """Return the finished rounds of a run as plain data."""
    return tuple(dataclasses.replace(one, **foreign.plain(vars(one))) for one in folder.records())


def _check_owner(run: Run) -> None:
    """Raise ResultsError if the folder holds another run than its study lists under this name."""
    if (found := run.identity) is None:
        return
    names = ("dataset", "annotation", "schedule", "recipe", "seed", "budgets")
    listed = (*run.setting, run.recipe, run.seed, list(run.budgets))
    kept = (*found.setting, found.recipe, found.seed, list(found.budgets))
    differs = [f"{name} {b} instead of {a}" for name, a, b in zip(names, listed, kept, strict=True) if a != b]
    if differs:
        raise ResultsError(f"it holds another run, with {', '.join(differs)}; delete the folder to run afresh")


def _environment(folder: RunFolder, records: Sequence[RoundRecord], problems: list[str]) -> dict[str, Any]:
    """Return the content of environment.json; where it is not the run's, nothing but a problem: no score needs it."""
    name = "environment.json"
    try:
        content = foreign.mapping(folder.path / name)
        if _sealed(name, records) and (fault := folder.fault(name, records)):
            raise ResultsError(fault)
        return content
    except ResultsError as error:
        problems.append(f"run {folder.path}: {error}. Its versions, machine and sizes are not in this report.")
        return {}


def _changed(folder: RunFolder, records: Sequence[RoundRecord]) -> Iterator[str]:
    """Yield what is wrong with the files that hold no scores, one line each."""
    for name in FILES:
        path = folder.path / name
        if path.suffix == ".json" or not _sealed(name, records):
            continue
        if path.is_file() and (size := path.stat().st_size) > CHECKED_BYTES:
            yield f"{name} has {size:,} bytes, too many to check; whether it was changed is not known."
        elif fault := folder.fault(name, records):
            yield f"{fault}. No score needs it; put back a copy to have it in the report."


def _sealed(name: str, records: Sequence[RoundRecord]) -> bool:
    return any(name in record.files for record in records)


def short(error: Exception) -> str:
    """Return the message of an error; that of a missing key with its kind, without which it is one word."""
    return f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
