"""Every recipe has random slices beside it, at the same settings and seeds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bench.bundle.finding import Finding
from bench.bundle.opened import Bundle
from bench.report.runs.run import Run

OWN = ("recipe", "seed", "device", "keep_network")
"""Settings of a run that recipes of one setting need not share: who it is, and where it ran."""
RANDOM = "random"
"""Strategy of the baseline."""


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield recipes without a random baseline at their settings, or at some of their seeds."""
    for (dataset, annotation, schedule), runs in bundle.settings.items():
        known = [run for run in runs if run.config is not None]
        baselines = [run for run in known if _is_random(run)]
        where = f"{dataset}/{annotation}/{schedule}"
        if not baselines:
            yield Finding(f"{where}: no recipe picks slices at random, so that nothing can be compared")
            continue
        for recipe in dict.fromkeys(run.recipe for run in known):
            own = [run for run in known if run.recipe == recipe]
            without = [run for run in own if not any(_alike(run, other) for other in baselines)]
            if without:
                yield Finding(
                    f"{where}: {recipe} has no random baseline at its settings for seed "
                    f"{', '.join(str(run.seed) for run in without)}{_why(without[0], baselines)}"
                )


def _is_random(run: Run) -> bool:
    strategy = (run.config or {})["recipe"].get("strategy")
    return (strategy.get("name") if isinstance(strategy, Mapping) else strategy) == RANDOM


def _settings(run: Run) -> dict[str, Any]:
    return {key: value for key, value in (run.config or {}).items() if key not in OWN}


def _alike(run: Run, other: Run) -> bool:
    ours, theirs = (json.dumps(_settings(one), sort_keys=True) for one in (run, other))
    return run.seed == other.seed and ours == theirs


def _why(run: Run, baselines: list[Run]) -> str:
    """Return which settings differ from those of the baseline of its seed."""
    other = next((one for one in baselines if one.seed == run.seed), None)
    if other is None:
        return "; random was not run with it"
    ours, theirs = _settings(run), _settings(other)
    differ = [place for key in {**ours, **theirs} for place in _places(ours.get(key), theirs.get(key), key)]
    return f": {', '.join(differ[:3])}" if differ else ""


def _places(ours: Any, theirs: Any, place: str) -> Iterator[str]:
    """Yield the settings that differ, with both values."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in {**ours, **theirs}:
            yield from _places(ours.get(key), theirs.get(key), f"{place}.{key}")
    elif ours != theirs:
        yield f"{place} is {ours}, and {theirs} in random"
