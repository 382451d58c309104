"""Rounds made again: the surest check, where the data are generated or there."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

from alseg_core.config import RunConfig
from alseg_core.errors import AlsegError
from alseg_core.provenance import changes, maker
from alseg_core.vocabulary import RoundRecord
from bench.bundle.finding import Finding, note
from bench.bundle.fingerprint import with_names
from bench.bundle.opened import Bundle, label
from bench.bundle.private import CASE, PATIENT, pseudonym
from bench.report.runs.run import Run

FAR = 0.05
"""Difference of mean Dice that another processor with the same picks and version of torch does not explain."""


def replayed(bundle: Bundle, rounds: int) -> Iterator[Finding]:
    """Make ``rounds`` rounds again and yield what differs; whole runs, in an order that the bundle's content gives.

    That none can be made is a problem, as is a folder without the data (AlsegError).
    """
    runnable = [(run, config) for run in _order(bundle) if (config := _runnable(bundle, run)) is not None]
    absent = len(bundle.started) - len(runnable)
    lacking = f": of {absent} of {len(bundle.started)} runs, data or code are not here (--data)" if absent else ""
    left = rounds
    with tempfile.TemporaryDirectory(prefix="alseg-replay-") as temporary:
        for run, config in runnable:
            left -= yield from _again(run, config, min(left, len(run.records)), Path(temporary))
            if not left:
                break
    if left == rounds:
        yield Finding(f"0 of {rounds} rounds were made again{lacking}")
    elif left or absent:
        yield note(f"{rounds - left} of {rounds} rounds were made again{lacking}")


def _order(bundle: Bundle) -> list[Run]:
    """Return the runs with finished rounds, so that nobody knows without the whole bundle which come first."""
    mark = json.dumps(bundle.manifest.files, sort_keys=True)
    return sorted(bundle.started, key=lambda run: hashlib.sha256(f"{mark}{run.key}".encode()).digest())


def _runnable(bundle: Bundle, run: Run) -> RunConfig | None:
    """Return the configuration of a run on the data that are here; None where they are not."""
    known, cases = bundle.configs.get(run.key), bundle.scanned.get(run.setting[0])
    if known is None or cases is None or run.config is None:
        return None
    names = {pseudonym(case.patient, PATIENT): case.patient for case in cases}
    plain = with_names(run.config, names)
    plain["dataset"]["root"] = None if known.dataset.root is None else str(bundle.data)
    return RunConfig.load({**plain, "keep_network": False})


def _again(run: Run, config: RunConfig, count: int, place: Path) -> Generator[Finding, None, int]:
    """Run the first ``count`` rounds, compare them with those of the bundle, and return how many were made."""
    from alseg_core.loop import run as execute
    from alseg_core.store import Store

    try:
        made = execute(config, place / "runs" / run.key, Store(place / "store"), most=count)
    except AlsegError as error:
        yield note(f"{label(run)} was not made again: {error}")
        return 0
    doubt = ""
    if made[0].data_key != run.data_key:
        keys = f"{label(run)}: the data here have the key {made[0].data_key}, the bundle says {run.data_key}"
        if config.dataset.root is None:
            yield Finding(keys)
            return len(made)
        doubt = "; the scans here have other content"  # compressed again, or the bundle counts dates: the rounds decide
        yield note(f"{keys}{doubt}")
    other = changes(run.records[0].made_by, {**maker(config.resolve_device()), "alseg": None, "commit": None})
    for ours, theirs in zip(made, run.records, strict=False):
        where = f"{label(run)}, round {ours.round + 1}"
        if _picks(ours) != _picks(theirs):
            text = f"{where}: its picks are not those that are made again{doubt}"
            yield note(f"{text}, with other software or device ({', '.join(other)})") if other else Finding(text)
            return len(made)
        yield from _scores(where, ours, theirs, bool(other))
    yield note(f"{label(run)}: {len(made)} rounds made again with the same picks")
    return len(made)


def _picks(record: RoundRecord) -> list[tuple[str, int]]:
    return [(pseudonym(str(pick["case"]), CASE), int(str(pick["z"]))) for pick in record.selected]


def _scores(where: str, ours: RoundRecord, theirs: RoundRecord, elsewhere: bool) -> Iterator[Finding]:
    """Compare the mean Dice; processors round differently, which training makes larger."""
    made, told = ours.summary.get("dice"), theirs.summary.get("dice")
    if made is None or told is None:
        if made != told:
            yield Finding(f"{where}: Dice is {told}, the replay gives {made}")
        return
    if abs(made - told) > FAR and not elsewhere:
        yield Finding(f"{where}: Dice is {told:.4f}, the replay gives {made:.4f}")
    elif abs(made - told) > 1e-6:
        yield note(f"{where}: Dice is {told:.4f}, the replay gives {made:.4f}")
