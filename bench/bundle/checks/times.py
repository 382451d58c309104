"""Times fit one another: rounds end one after another, and no part takes more than there was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from alseg_core.embed.embedder import CPU_SECONDS
from alseg_core.vocabulary import RoundRecord
from bench.bundle.finding import Finding, note
from bench.bundle.opened import Bundle, label
from bench.report.runs.run import Run
from bench.report.runs.schema import MOMENT

SLACK_S = 3.0
"""Seconds by which times may miss one another: ends of rounds are whole seconds, and clocks are set."""
SLACK = 0.02
"""The same as a share."""
IDLE = 0.5
"""Share of the time between two rounds that may be in none of their parts before a note says so."""
LONG_S = 60.0
"""Time between two rounds below which no note says so, in seconds."""


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield times that no run can have measured."""
    encoders: dict[str, tuple[Run, tuple[object, object]]] = {}
    for run in bundle.started:
        for record in run.records:
            for text in _parts(run, record):
                yield Finding(f"{label(run)}, round {record.round + 1}: {text}")
            if encoder := record.signals.get("encoder"):
                took = record.signals.get("encoder_seconds"), record.signals.get(CPU_SECONDS)
                other, known = encoders.setdefault(str(encoder), (run, took))
                if took != known:
                    yield Finding(
                        f"{label(run)}, round {record.round + 1}: its encoder took {took[0]} s, and {known[0]} s in "
                        f"{label(other)}, which has the same"
                    )
        yield from _ends(run)
        yield from _making(run)


def _parts(run: Run, record: RoundRecord) -> Iterator[str]:
    """Check CPU time against wall time; features that were kept count with the time of another run."""
    threads = max(int(run.environment.get("threads") or 1), 1)
    for part, cpu in record.cpu_seconds.items():
        if part == "embed" and CPU_SECONDS in record.signals:
            continue
        wall = record.seconds.get(part, 0.0)
        if cpu > (wall * (1 + SLACK) + SLACK_S) * (threads + 1):
            yield f"{part} took {cpu:g} s of CPU in {wall:g} s, with {threads} threads"
    if record.round and record.signals.get("training") == "shared":
        yield "its training was shared, which only a first one can be"


def _ends(run: Run) -> Iterator[Finding]:
    """Check that between the ends of two rounds there is time for the parts of the second."""
    for before, record in zip(run.records, run.records[1:], strict=False):
        if before.ended is None or record.ended is None:
            continue
        where = f"{label(run)}, round {record.round + 1}"
        passed = (datetime.strptime(record.ended, MOMENT) - datetime.strptime(before.ended, MOMENT)).total_seconds()
        took = sum(record.seconds.values())
        if passed < took * (1 - SLACK) - SLACK_S:
            yield Finding(f"{where}: its parts took {took:.1f} s, and {passed:.0f} s passed since the round before")
        elif passed > LONG_S and took < passed * (1 - IDLE):
            yield note(
                f"{where}: its parts took {took:.0f} s of the {passed:.0f} s since the round before: it was "
                "interrupted, or times were made shorter"
            )


def _making(run: Run) -> Iterator[Finding]:
    """Check that the first round with an embedding counts what making it took."""
    first = next((record for record in run.records if "embed" in record.cpu_seconds), None)
    if first is None or not isinstance(making := first.signals.get(CPU_SECONDS), float):
        return
    if first.cpu_seconds["embed"] < making * (1 - SLACK) - SLACK_S:
        yield Finding(
            f"{label(run)}, round {first.round + 1}: embedding counts {first.cpu_seconds['embed']:g} s of CPU, and "
            f"making it took {making:g} s"
        )
