"""Settings of two sides that differ, in groups, and what else made their numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alseg_core.visible import visible
from bench.bundle.differing import differing
from bench.diff.pairs import Pair, shared
from bench.diff.side import Side
from bench.report.numbers import NOTHING
from bench.report.runs.provenance import makers, own_splits
from bench.report.runs.run import Run
from bench.report.setting import enumerated

DATA, BOUGHT, TRAINING = "data and split", "annotation and budgets", "training"
SCORING, RECIPES, MACHINE, CODE = "evaluation", "recipes", "machine and versions", "code"
GROUPS = {
    "dataset": DATA,
    "annotation": BOUGHT,
    "budgets": BOUGHT,
    "schedule": BOUGHT,
    "validation": BOUGHT,
    "minutes": BOUGHT,
    "train": TRAINING,
    "members": TRAINING,
    "evaluate": SCORING,
    "cover": SCORING,
    "recipe": RECIPES,
    "device": MACHINE,
    "threads": MACHINE,
}
"""First word of a setting -> its group; settings that are not here count as those of the training."""
ORDER = (DATA, BOUGHT, TRAINING, SCORING, RECIPES, MACHINE, CODE)
"""Groups in the order of reading."""
IDLE = (MACHINE, CODE)
"""Groups that need not change a result."""
STARTS = {"network": ("train.start", TRAINING), "init": ("recipe.embed.start", RECIPES)}
"""Signal of a round -> path and group of the weights that networks and encoders started from."""
LONGEST = 60
"""Characters of a value that are shown."""
MOST = 3
"""Most values of a machine, and most recipes, that are named."""


@dataclass(frozen=True)
class Difference:
    """A setting with another value on either side."""

    group: str
    """Group, one of :data:`ORDER`."""
    path: str
    """Dotted path."""
    left: str
    """Value in A as text."""
    right: str
    """Value in B."""
    where: tuple[str, ...] = ()
    """Recipes in which it differs, each with their setting; empty for all that both sides have."""

    @property
    def matters(self) -> bool:
        """Whether results may differ for it."""
        return self.group not in IDLE


def differences(pairs: Sequence[Pair], left: Side, right: Side) -> list[Difference]:
    """Return what differs in what both sides have (:func:`bench.diff.pairs.shared`), then machines and code of all."""
    both = shared(pairs)
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for name, pair in both:
        for group, path, ours, theirs in _of_pair(pair):
            place = group, visible(path, LONGEST), _told(ours, theirs), _told(theirs, ours)
            found.setdefault(place, []).append(name)
    told = [Difference(*place, () if len(where) == len(both) else tuple(where)) for place, where in found.items()]
    return sorted([*told, *_machines(left, right)], key=lambda difference: ORDER.index(difference.group))


def _of_pair(pair: Pair) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield group, path and both values of what differs in the runs of one recipe."""
    ours, theirs = pair.first
    settings = list(differing(_settings(ours), _settings(theirs)))
    for path, left, right in settings:
        group = GROUPS.get(path.partition(".")[0], TRAINING)
        if pair.recipe or group != RECIPES:
            yield group, path, left, right
    if ours.seed == theirs.seed or not own_splits([ours, theirs]):
        for path, left, right in differing(_sizes(ours), _sizes(theirs)):
            yield DATA, path, left, right
    for signal, (path, group) in STARTS.items():
        if pair.recipe and (left := _signal(ours, signal)) != (right := _signal(theirs, signal)):
            yield group, path, left, right
    if ours.primary is not None and theirs.primary is not None:
        for path, left, right in differing(vars(ours.primary), vars(theirs.primary), "primary"):
            yield SCORING, path, left, right
    mine, yours = _fingerprint(ours), _fingerprint(theirs)
    if not settings and ours.seed == theirs.seed and None not in (mine, yours) and mine != yours:
        yield RECIPES, "fingerprint (version of a part, or weights)", mine, yours


def _settings(run: Run) -> dict[str, Any]:
    """Return the settings of a run that others can share."""
    config = {key: value for key, value in (run.config or {}).items() if key not in ("seed", "keep_network")}
    places = ("root", "returned")
    return {**config, "dataset": {key: value for key, value in config["dataset"].items() if key not in places}}


def _sizes(run: Run) -> dict[str, Any]:
    """Return the volumes and numbers of slices of each part of a run's split, as far as they are recorded."""
    data = run.environment.get("data", {})
    return {name: data[name] for name in ("cases", "patients", "slices") if name in data}


def _fingerprint(run: Run) -> str | None:
    return run.records[0].fingerprint if run.records else None


def _signal(run: Run, name: str) -> Any:
    return next((record.signals[name] for record in run.records if name in record.signals), None)


def _told(value: Any, other: Any) -> str:
    """Return a value as text; of a long list its length, and how many entries the other one lacks."""
    if value is None:
        return NOTHING
    if isinstance(value, list) and len(json.dumps(value)) > LONGEST:
        lacking = [entry for entry in value if entry not in (other if isinstance(other, list) else ())]
        return f"{len(value)} entries, {len(lacking)} only here" if lacking else f"{len(value)} entries"
    return visible(value if isinstance(value, str) else json.dumps(value), LONGEST)


def _machines(left: Side, right: Side) -> Iterator[Difference]:
    """Yield versions, machines and commits that the runs of the sides do not share."""
    ours, theirs = _made_by(left.runs), _made_by(right.runs)
    for path in {**ours, **theirs}:
        group = CODE if path in ("alseg", "commit") else MACHINE
        values = ours.get(path, {}), theirs.get(path, {})
        if set(values[0]) != set(values[1]):
            yield Difference(group, path, _several(values[0]), _several(values[1]))


def _several(values: Mapping[str, None]) -> str:
    return visible(enumerated(list(values), MOST), LONGEST) or NOTHING


def _made_by(runs: Sequence[Run]) -> Mapping[str, dict[str, None]]:
    """Return fact -> its values over all runs: what made their rounds, and versions and platforms."""
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        packages = {f"packages.{name}": text for name, text in run.environment.get("packages", {}).items()}
        packages.pop("packages.torch", None)  # what made the rounds has it
        others = {name: run.environment.get(name) for name in ("python", "platform")}
        for maker in [*makers(run), {**others, **packages}]:
            for name, value in maker.items():
                if value is not None:
                    found.setdefault(name, {})[str(value)] = None
    return found
