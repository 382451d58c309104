"""Every recipe has random picks of its kind beside it, at the same settings and seeds.

Slices picked at random are the baseline of every recipe. Whole volumes picked at random are one for recipes that pick
whole volumes, but not for those that pick slices, which beat it too easily. What picks at random needs no baseline. A
baseline that was trained otherwise is none: a study with several trainings has one in each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alseg_core.training import RANDOM
from alseg_core.vocabulary import BASELINE
from bench.bundle.differing import differing
from bench.bundle.finding import Finding
from bench.bundle.opened import Bundle, label
from bench.report.runs.run import Run
from bench.report.setting import enumerated

OWN = ("recipe", "seed", "device", "keep_network")
"""Settings of a run that recipes of one setting need not share: who it is, and where it ran."""
SLICES, VOLUMES = (BASELINE, "random_volumes"), ("whole_volumes",)
"""Strategies that pick slices, and whole volumes, at random."""
MOST = 6
"""Most recipes that are named."""


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield recipes without a random baseline at their settings, or at some of their seeds, and a false baseline."""
    for run in bundle.runs:
        if run.recipe == BASELINE and run.config is not None and strategy_of(run) != BASELINE:
            yield Finding(
                f"{label(run)} has the strategy {strategy_of(run)}; what is called {BASELINE} is what reports compare "
                "with"
            )
    for (dataset, annotation, schedule), runs in bundle.settings.items():
        known = [run for run in runs if run.config is not None]
        slices, volumes = ([run for run in known if strategy_of(run) in kind] for kind in (SLICES, VOLUMES))
        depth = _depths(known)
        judged = [run for run in known if strategy_of(run) not in SLICES + VOLUMES]
        where = f"{dataset}/{annotation}/{schedule}"
        if not slices and not volumes:
            yield Finding(f"{where}: no recipe picks at random, so that nothing can be compared")
            continue
        if not slices and (lacking := [run for run in judged if not _takes_whole_volumes(run, depth)]):
            yield Finding(
                f"{where}: {_names(lacking)} {_verb(lacking, 'picks')} slices, and no recipe picks slices at random; "
                f"{_names(volumes)} {_verb(volumes, 'picks')} whole volumes, which is no baseline for slices"
            )
            continue
        without: dict[str, list[Run]] = defaultdict(list)
        for recipe in dict.fromkeys(run.recipe for run in judged):
            own = [run for run in judged if run.recipe == recipe]
            whole = all(_takes_whole_volumes(run, depth) for run in own)
            fitting = slices + volumes if whole else slices
            if lacking := [run for run in own if not any(_alike(bundle, run, other) for other in fitting)]:
                seeds = ", ".join(str(run.seed) for run in lacking)
                without[f"for seed {seeds}{_why(bundle, lacking[0], fitting)}"] += lacking
        for reason, lacking in without.items():
            which = f"{_names(lacking)} {_verb(lacking, 'has')} no random baseline at the same settings"
            yield Finding(f"{where}: {which} {reason}")


def strategy_of(run: Run) -> Any:
    """Return the name of the strategy that the settings of a run say."""
    strategy = (run.config or {})["recipe"].get("strategy")
    return strategy.get("name") if isinstance(strategy, Mapping) else strategy


def _depths(runs: Sequence[Run]) -> dict[Any, int]:
    """Return case -> slices that it has at least, by the picks of all runs."""
    depth: dict[Any, int] = {}
    for case, z in (place for run in runs for place in _picks(run)):
        depth[case] = max(depth.get(case, 0), z + 1)
    return depth


def _takes_whole_volumes(run: Run, depth: Mapping[Any, int]) -> bool:
    """Return whether a run annotated volume by volume, so that at most one that it began has slices left."""
    taken = Counter(case for case, _ in _picks(run))
    left = [case for case, count in taken.items() if count < depth[case]]
    return len(left) <= 1 and len(left) < len(taken)


def _picks(run: Run) -> list[tuple[Any, int]]:
    return [(pick["case"], int(str(pick["z"]))) for record in run.records for pick in record.selected]


def _names(runs: Sequence[Run]) -> str:
    return enumerated(list(dict.fromkeys(run.recipe for run in runs)), MOST)


def _verb(runs: Sequence[Run], verb: str) -> str:
    """Return a verb in the third person as the recipes of the runs want it."""
    several = len({run.recipe for run in runs}) > 1
    return {"picks": "pick", "has": "have", "was": "were"}[verb] if several else verb


def _different(bundle: Bundle, run: Run, other: Run) -> dict[str, tuple[Any, Any]]:
    """Return setting -> its values in two runs, where they differ; of weights, it is the content that counts."""
    ours, theirs = ({key: value for key, value in (one.config or {}).items() if key not in OWN} for one in (run, other))
    found = {place: (a, b) for place, a, b in differing(ours, theirs)}
    trained, beside = (bundle.manifest.runs.get(one.key) for one in (run, other))
    if trained is not None and beside is not None and None not in (trained.training, beside.training):
        found |= {place: (a, b) for place, a, b in differing(trained.training, beside.training, "train")}
    if run.records and other.records and (starts := (_starts(run), _starts(other)))[0] != starts[1]:
        found["start of the networks"] = starts
    return found


def _starts(run: Run) -> str:
    """Return what the networks of a run started from, by its rounds: the content of a file, whatever its name."""
    starts = {str(record.signals.get("network", RANDOM)).rpartition(", ")[2].rstrip(")") for record in run.records}
    return " and ".join(sorted(starts))


def _alike(bundle: Bundle, run: Run, other: Run) -> bool:
    return run.seed == other.seed and not _different(bundle, run, other)


def _why(bundle: Bundle, run: Run, baselines: Sequence[Run]) -> str:
    """Return which settings differ from those of the nearest baseline of its seed."""
    found = [(_different(bundle, run, other), other) for other in baselines if other.seed == run.seed]
    if not found:
        return f"; {_names(baselines)} {_verb(baselines, 'was')} not run with it"
    places, other = min(found, key=lambda pair: len(pair[0]))
    some = list(places.items())[:3]
    told = (f"{place} is {ours}, and {theirs} in {other.recipe}" for place, (ours, theirs) in some)
    return f": {', '.join(told)}"
