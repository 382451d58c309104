"""Every recipe has every seed, and every run all its rounds, unless it is declared failed."""

from __future__ import annotations

from collections.abc import Iterator

from bench.bundle.finding import Finding, note
from bench.bundle.opened import Bundle, label


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield missing runs and rounds, and budgets that runs of one setting do not share."""
    for (dataset, annotation, schedule), runs in bundle.settings.items():
        where = f"{dataset}/{annotation}/{schedule}"
        seeds = list(dict.fromkeys(run.seed for run in runs))
        for recipe in dict.fromkeys(run.recipe for run in runs):
            own = [run.seed for run in runs if run.recipe == recipe]
            if missing := [seed for seed in seeds if seed not in own]:
                yield Finding(f"{where}: {recipe} lacks seed {', '.join(map(str, missing))}, which others have")
            if twice := sorted({seed for seed in own if own.count(seed) > 1}):
                yield Finding(f"{where}: {recipe} has seed {', '.join(map(str, twice))} twice")
        if len({run.budgets for run in runs}) > 1:
            yield Finding(f"{where}: runs have different budgets: {_several(str(list(run.budgets)) for run in runs)}")
    for run in bundle.runs:
        if run.state == "unfinished":
            yield Finding(
                f"{label(run)} has {len(run.records)} of {len(run.budgets)} rounds and is not declared failed"
            )
        if run.state == "failed":
            yield note(f"{label(run)} failed: {run.failure}")


def _several(values: Iterator[str]) -> str:
    return " and ".join(dict.fromkeys(values))
