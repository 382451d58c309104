"""Which runs may be averaged: runs of one name that were made in different ways are kept apart."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from bench.report.runs.run import Run


@dataclasses.dataclass(frozen=True)
class Signature:
    """Everything that decides whether two runs may share a table, as texts to compare."""

    home: str
    """Folder of the study; runs of one study are always considered comparable."""
    study: str
    """Name of the study."""
    setting: tuple[str, str, str]
    """(dataset, annotation, schedule)."""
    recipe: str
    """Name of the recipe."""
    budgets: tuple[int | float, ...]
    """Cumulative budgets."""
    data: str | None
    """Dataset with preparation and split, and key of the prepared data; None without a configuration."""
    scored: str
    """Volumes that are scored, and how."""
    rest: str
    """Annotation and the minutes it takes, cover, members and validation labels."""
    steps: str
    """Training steps."""
    network: str
    """Name of the network."""
    training: str
    """Settings of the trainer without precision."""
    wanted: str | None
    """Precision that the configuration asks for."""
    precision: str | None
    """Precision used on the run's device; None if that is not recorded."""
    parts: str
    """Strategy and embedding with their parameters."""

    @classmethod
    def of(cls, run: Run) -> Signature:
        """Return the signature of a run; without a configuration only names and budgets are known."""
        config: Mapping[str, Any] = run.config or {}
        dataset = {key: value for key, value in config.get("dataset", {}).items() if key != "root"}
        train = {key: value for key, value in config.get("train", {}).items() if key != "precision"}
        known = run.identity
        wanted = None if known is None else known.precision
        return cls(
            home=str(run.home),
            study=run.study,
            setting=run.setting,
            recipe=run.recipe,
            budgets=run.budgets,
            data=_text([dataset, run.data_key]) if config else None,
            # additional metrics do not change the others
            scored=_text({"part": "test", **config.get("evaluate", {}), "metrics": None}),
            rest=_text([config.get(part) for part in ("annotation", "cover", "members", "validation", "minutes")]),
            steps=_text(known and known.steps),
            network=_text(known and known.network),
            training=_text(train),
            wanted=wanted,
            precision=_computed(wanted, run.environment.get("device")),
            parts=_text(config.get("recipe")),
        )

    def apart(self, other: Signature) -> str | None:
        """Return why the two must not be compared; None if they may.

        Settings of one dataset may differ in everything but data and evaluation: they share an axis, but no table.
        """
        same = self.setting == other.setting
        if same and self.budgets != other.budgets:
            return "different budgets"
        if self.data is None or other.data is None or self.setting[0] != other.setting[0]:
            return None
        if self.data != other.data:
            return "different data: preparation, split or scans differ"
        if self.scored != other.scored:
            return "a different evaluation"
        if not same:
            return None
        if self.rest != other.rest:
            return "different settings of annotation or its minutes, validation labels, members or cover radius"
        if not self._trained_alike(other):
            return "a different training"
        if not self._computed_alike(other):
            return f"networks trained in {self.precision} instead of {other.precision}"
        return None

    def _trained_alike(self, other: Signature) -> bool:
        """Return whether trainings agree; a recipe may have its own within a study, or with its own network."""
        if self.training == other.training:
            return True
        if self.recipe == other.recipe:
            return False
        return self.home == other.home or (self.network != other.network and self.steps == other.steps)

    def _computed_alike(self, other: Signature) -> bool:
        """Return whether precisions agree; a study may choose one per recipe, but the machine is not a choice."""
        if self.precision == other.precision or None in (self.precision, other.precision):
            return True
        return self.home == other.home and self.recipe != other.recipe and self.wanted != other.wanted


def _computed(wanted: str | None, device: str | None) -> str | None:
    """Return the precision used on the run's device; None if precision or device is not recorded."""
    from alseg_core.device.precision import computed

    if wanted is None or (wanted == "auto" and device is None):
        return None
    return computed(wanted, device or "cpu")


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def separate(runs: Iterable[Run]) -> tuple[list[Run], list[str]]:
    """Return each run once, under names under which runs may be averaged, and notes on what was changed.

    If one run is in two studies (equal key and data), the one with more rounds is kept. Runs that must not be compared
    with earlier ones of their setting get the dataset "<dataset> (<study>)", and a different recipe of the same name
    becomes "<recipe> (<study>)". If a seed of a recipe occurs twice, in ways that do not affect scores, the longer run
    is kept.
    """
    notes: list[str] = []
    kept = _once(list(runs))
    kept = _datasets(kept, notes)
    kept = _recipes(kept, notes)
    kept = _seeds(kept, notes)
    return _keys(kept), notes


def _once(runs: Sequence[Run]) -> list[Run]:
    best: dict[tuple[str, str | None], Run] = {}
    started = {run.key for run in runs if run.config is not None}
    for run in runs:
        if run.config is None and not run.records and run.key in started:
            continue
        known = best.get((run.key, run.data_key))
        if known is None or _done(run) > _done(known):
            best[run.key, run.data_key] = run
    order = {(run.key, run.data_key): i for i, run in reversed(list(enumerate(runs)))}
    return [best[name] for name in sorted(best, key=lambda name: order[name])]


def _done(run: Run) -> tuple[int, bool]:
    return len(run.records), run.failure is None


def _datasets(runs: Sequence[Run], notes: list[str]) -> list[Run]:
    signatures = {id(run): Signature.of(run) for run in runs}
    groups: dict[str, list[dict[Signature, None]]] = {}  # dataset -> groups of what may stand together
    names: dict[str, list[str]] = {}
    chosen: dict[int, str] = {}
    # a run that never started is grouped with the others of its study
    for run in sorted(runs, key=lambda run: run.config is None):
        dataset, own = run.setting[0], signatures[id(run)]
        known = groups.setdefault(dataset, [])
        reasons = [None if own in group else _first_reason(own, group) for group in known]
        fitting = [i for i, reason in enumerate(reasons) if reason is None]
        if own.data is None:
            fitting.sort(key=lambda i: all(other.home != own.home for other in known[i]))
        if fitting:
            number = fitting[0]
        else:
            number = len(known)
            known.append({})
            taken = names.setdefault(dataset, [])
            taken.append(_free(dataset, run.study, taken) if number else dataset)
            if number:
                notes.append(f"{taken[-1]} is kept apart from {dataset}: {reasons[0]}.")
        known[number][own] = None
        chosen[id(run)] = names[dataset][number]
    return [dataclasses.replace(run, setting=(chosen[id(run)], *run.setting[1:])) for run in runs]


def _first_reason(own: Signature, group: Iterable[Signature]) -> str | None:
    return next((reason for other in group if (reason := own.apart(other)) is not None), None)


def _free(name: str, study: str, taken: Collection[str]) -> str:
    """Return a free name: with the name of the study, then with a number as well."""
    wanted, number = f"{name} ({study})", 1
    while wanted in taken:
        number += 1
        wanted = f"{name} ({study}, {number})"
    return wanted


def _recipes(runs: Sequence[Run], notes: list[str]) -> list[Run]:
    """Give recipes of one name and different parameters names of their own."""
    variants: dict[tuple[str, str], dict[str, str]] = {}  # dataset, recipe -> its parameters -> name
    out = []
    for run in runs:
        known = variants.setdefault((run.setting[0], run.recipe), {})
        parts = Signature.of(run).parts if run.config else next(iter(known), "")
        if parts not in known:
            known[parts] = _free(run.recipe, run.study, list(known.values())) if any(known) else run.recipe
            if known[parts] != run.recipe:
                notes.append(f"{known[parts]} is shown beside {run.recipe}: same name, different parameters.")
        out.append(dataclasses.replace(run, recipe=known[parts]))
    return out


def _seeds(runs: Sequence[Run], notes: list[str]) -> list[Run]:
    best: dict[tuple[Any, ...], Run] = {}
    for run in runs:
        place = (run.setting, run.recipe, run.seed)
        known = best.get(place)
        if known is not None:
            stays, goes = (run, known) if _done(run) > _done(known) else (known, run)
            notes.append(f"{goes.key} is left out: {stays.key} is the same recipe and seed (threads may differ).")
            best[place] = stays
        else:
            best[place] = run
    return list(best.values())


def _keys(runs: Sequence[Run]) -> list[Run]:
    """Make keys unique: runs from different data may share one."""
    taken: set[str] = set()
    out = []
    for run in runs:
        key = _free(run.key, run.study, taken) if run.key in taken else run.key
        taken.add(key)
        out.append(dataclasses.replace(run, key=key))
    return out
