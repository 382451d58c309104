"""Rounds made again: the surest check, where the data are generated or there."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from alseg_core.config import RunConfig
from alseg_core.errors import AlsegError
from alseg_core.provenance import changes, maker
from alseg_core.strategies.random import Random
from alseg_core.strategies.random_volumes import RandomVolumes
from alseg_core.strategies.strided import Strided
from alseg_core.strategies.whole_volumes import WholeVolumes
from alseg_core.vocabulary import RoundRecord
from bench.bundle.compared import compared
from bench.bundle.finding import Finding, note
from bench.bundle.fingerprint import with_names
from bench.bundle.opened import Bundle, label
from bench.bundle.private import CASE, PATIENT, pseudonym
from bench.report.runs.run import Run

DRAWN = (Random, RandomVolumes, Strided, WholeVolumes)
"""Strategies whose picks follow from the seed, the table of slices and what is labelled, on every device."""


@dataclass(frozen=True)
class _Made:
    """Rounds of a run that were made again."""

    rounds: int = 0
    """How many."""
    unjudged: int = 0
    """How many of them come after, or are, one whose picks other software or another device may have chosen."""


def replayed(bundle: Bundle, rounds: int) -> Iterator[Finding]:
    """Make ``rounds`` rounds again and yield what differs; whole runs, in an order that the bundle's content gives.

    That none can be made is a problem, as is a folder without the data (AlsegError).
    """
    runnable = [(run, config) for run in _order(bundle) if (config := _runnable(bundle, run)) is not None]
    absent = len(bundle.started) - len(runnable)
    lacking = f": of {absent} of {len(bundle.started)} runs, data or code are not here (--data)" if absent else ""
    made = unjudged = 0
    with tempfile.TemporaryDirectory(prefix="alseg-replay-") as temporary:
        for run, config in runnable:
            again = yield from _again(run, config, min(rounds - made, len(run.records)), Path(temporary))
            made, unjudged = made + again.rounds, unjudged + again.unjudged
            if made == rounds:
                break
    if not made:
        yield Finding(f"0 of {rounds} rounds were made again{lacking}")
    elif made < rounds or absent:
        yield note(f"{made} of {rounds} rounds were made again{lacking}")
    chosen = "their picks, or picks before them, were chosen with other software or on another device"
    if made and unjudged == made:
        yield Finding(
            f"0 of {made} rounds made again could be judged: {chosen}; make more of them again, or do it where the "
            "bundle was made"
        )
    elif unjudged:
        yield note(f"{unjudged} of {made} rounds made again could not be judged: {chosen}")


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
    plain["dataset"]["root"] = None if run.setting[0] in bundle.generated else str(bundle.data)
    return RunConfig.load({**plain, "keep_network": False})


def _again(run: Run, config: RunConfig, count: int, place: Path) -> Generator[Finding, None, _Made]:
    """Run the first ``count`` rounds, compare them with those of the bundle, and return how many were made."""
    from alseg_core.loop import run as execute
    from alseg_core.store import Store

    try:
        made = execute(config, place / "runs" / run.key, Store(place / "store"), most=count)
    except AlsegError as error:
        yield note(f"{label(run)} was not made again: {error}")
        return _Made()
    doubt = ""
    if made[0].data_key != run.data_key:
        keys = f"{label(run)}: the data here have the key {made[0].data_key}, the bundle says {run.data_key}"
        if config.dataset.root is None:
            yield Finding(keys)
            return _Made(len(made))
        doubt = "; the scans here have other content"  # compressed again, or the bundle counts dates: the rounds decide
        yield note(f"{keys}{doubt}")
    here = {**maker(config.resolve_device()), "alseg": None, "commit": None}
    other: list[str] = []  # a round depends on those before it
    for ours, theirs in zip(made, run.records, strict=False):
        other += [change for change in changes(theirs.made_by, here) if change not in other]
        where = f"{label(run)}, round {ours.round + 1}"
        if _picks(ours) != _picks(theirs):
            text = f"{where}: its picks are not those that are made again{doubt}"
            if not other:
                yield Finding(text)
            elif _drawn(config, ours.round):
                yield Finding(f"{text}, and they are the same with all software and on all devices")
            else:
                yield note(f"{text}, with other software or device ({', '.join(other)})")
                return _Made(len(made), len(made) - ours.round)
            return _Made(len(made))
        yield from compared(where, ours, theirs, config, other, doubt)
    yield note(f"{label(run)}: {len(made)} rounds made again with the same picks")
    return _Made(len(made))


def _drawn(config: RunConfig, number: int) -> bool:
    """Return whether the picks of a round follow from the seed and from earlier picks, whatever device made them.

    The first ones do unless an embedding is computed for them: there is no network yet.
    """
    strategy = config.recipe.strategy
    first = number == 0 and (config.starts_at_random or not strategy.needs_embedding)
    return first or isinstance(strategy, DRAWN)


def _picks(record: RoundRecord) -> list[tuple[str, int]]:
    return [(pseudonym(str(pick["case"]), CASE), int(str(pick["z"]))) for pick in record.selected]
