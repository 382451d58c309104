"""When, how and for how long the runs of a report were made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bench.report.runs.results import Results
from bench.report.setting import rows_of
from bench.study.durations import clock
from bench.study.rerun import doubt, with_seeds


def header(results: Results) -> list[tuple[str, str]]:
    """Return (label, text) of what is known: dates in UTC, duration and command."""
    return list(_lines(results))


def _lines(results: Results) -> Iterator[tuple[str, str]]:
    if not len(results.runs):
        return
    summed = float(results.seconds["seconds"].sum())
    if results.made is not None:
        first, last = results.made
        yield "made", dates(first, last)
        yield (
            "duration",
            f"{clock((last - first).total_seconds())} from first to last round, pauses included; "
            f"{clock(summed)} of work, summed over runs",
        )
    elif summed:
        yield "duration", f"{clock(summed)} of work, summed over runs"
    seeds: dict[str, set[int]] = {}
    for setting, commands in results.commands.items():
        own = rows_of(results.runs, setting)
        for command in commands:
            seeds.setdefault(command, set()).update(map(int, own["seed"]))
    for command, known in seeds.items():
        yield "command", f"`{with_seeds(command, sorted(known), len(known))}`{doubt([command])}"


def dates(first: datetime, last: datetime) -> str:
    """Return a span of time in UTC as text."""
    end = f"{last:%H:%M}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M}"
    return f"{first:%Y-%m-%d %H:%M} to {end} UTC"
