"""When runs were made, and what their recipes do, as far as that is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bench.report.runs.run import Run
from bench.report.runs.schema import MOMENT

LONGEST = 1e8
"""Longest round that is believed, in seconds: three years."""


def made(runs: Sequence[Run]) -> tuple[datetime, datetime] | None:
    """Return the beginning of the first round and the end of the last one, in UTC; None if no round records it."""
    rounds = [
        (datetime.strptime(record.ended, MOMENT), min(sum(record.seconds.values()), LONGEST))
        for run in runs
        for record in run.records
        if record.ended is not None
    ]
    if not rounds:
        return None
    return min(end - timedelta(seconds=took) for end, took in rounds), max(end for end, _ in rounds)


def summaries(runs: Sequence[Run], known: Mapping[str, str]) -> dict[str, str]:
    """Return recipe -> what it does in a line; "" if nobody says.

    known: recipe -> its summary, from the studies. A recipe that they do not describe, as in older ones, has that of
    its strategy.
    """
    return {run.recipe: known.get(run.recipe, "") or _strategy(run) for run in reversed(runs)}


def _strategy(run: Run) -> str:
    """Return the summary of a run's strategy; "" of one from outside the package, which is not imported."""
    from alseg_core.registry import summary
    from alseg_core.strategies import STRATEGIES

    strategy = ((run.config or {}).get("recipe") or {}).get("strategy") or {}
    name = strategy.get("name") if isinstance(strategy, Mapping) else strategy
    known = STRATEGIES.get(str(name))
    return "" if known is None else summary(known)
