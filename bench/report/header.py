"""When, how and for how long the runs of a report were made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bench.report.runs.results import Results
from bench.report.setting import rows_of
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
            f"{duration((last - first).total_seconds())} from first to last round, pauses included; "
            f"{duration(summed)} of work, summed over runs",
        )
    elif summed:
        yield "duration", f"{duration(summed)} of work, summed over runs"
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


def duration(seconds: float) -> str:
    """Return a duration as text: "45 s", "12 min" or "3 h 05 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60:02} min"
