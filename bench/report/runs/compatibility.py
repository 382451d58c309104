"""What must not be averaged is kept apart: runs of one name that were made in different ways."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.report.runs.discover import Run


@dataclasses.dataclass(frozen=True)
class Signature:
    """What decides whether two runs may stand in one table. Texts are compared, nothing else.

    home: folder of the study, which vouches for the runs in it. data: dataset with preparation and split, and the key
    of the prepared data; None where no configuration is there. scored: what is evaluated, and how. rest: further terms
    of the setting. steps, network, training: of the trainer, whose arithmetic is told by wanted, the precision of the
    configuration, and precision, the one that it came to on the run's device; None where that is not recorded.
    parts: strategy and embedding with their parameters.
    """

    home: str
    study: str
    setting: tuple[str, str, str]
    recipe: str
    budgets: tuple[int | float, ...]
    data: str | None
    scored: str
    rest: str
    steps: str
    network: str
    training: str
    wanted: str | None
    precision: str | None
    parts: str

    @classmethod
    def of(cls, run: Run) -> Signature:
        """Of a run; without a configuration only names and budgets are known."""
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
            scored=_text({**{"part": "test", **config.get("evaluate", {})}, "metrics": None}),  # further ones add columns
            rest=_text([config.get("annotation"), config.get("cover"), config.get("members")]),
            steps=_text(known and known.steps),
            network=_text(known and known.network),
            training=_text(train),
            wanted=wanted,
            precision=_computed(wanted, run.environment.get("device")),
            parts=_text(config.get("recipe")),
        )

    def apart(self, other: Signature) -> str | None:
        """Why the two must not be compared; None when they may.

        Settings of one dataset may differ in all but data and evaluation: they share an axis, no table.
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
            return "different settings of annotation, members or cover radius"
        if not self._trained_alike(other):
            return "a different training"
        if not self._computed_alike(other):
            return f"networks trained in {self.precision} instead of {other.precision}"
        return None

    def _trained_alike(self, other: Signature) -> bool:
        """In one study a recipe may have a training of its own; between studies only with a network of its own."""
        if self.training == other.training:
            return True
        if self.recipe == other.recipe:
            return False
        return self.home == other.home or (self.network != other.network and self.steps == other.steps)

    def _computed_alike(self, other: Signature) -> bool:
        """A study may choose another precision for a recipe; which machine a run got is no choice."""
        if self.precision == other.precision or None in (self.precision, other.precision):
            return True
        return self.home == other.home and self.recipe != other.recipe and self.wanted != other.wanted


def _computed(wanted: str | None, device: str | None) -> str | None:
    """What a precision comes to on the device of a run; None where one of them is not recorded."""
    from alseg_core.device.precision import computed

    if wanted is None or (wanted == "auto" and device is None):
        return None
    return computed(wanted, device or "cpu")


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def separate(runs: Iterable[Run]) -> tuple[list[Run], list[str]]:
    """The runs with names under which they may be averaged, each run once, and lines that say what was done.

    One run in two studies (equal key and data): the one with more rounds stays. Runs of a setting that must not be
    compared with those before them: their dataset is called "<dataset> (<study>)". Another recipe of the same name:
    "<recipe> (<study>)". One seed of one recipe twice, in settings that do not matter to scores: the longer one stays.
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
    # what never started says little about itself: it goes to the others of its study
    for run in sorted(runs, key=lambda run: run.config is None):
        dataset, own = run.setting[0], signatures[id(run)]
        there = groups.setdefault(dataset, [])
        reasons = [None if own in group else _first_reason(own, group) for group in there]
        fitting = [i for i, reason in enumerate(reasons) if reason is None]
        if own.data is None:
            fitting.sort(key=lambda i: all(other.home != own.home for other in there[i]))
        if fitting:
            number = fitting[0]
        else:
            number = len(there)
            there.append({})
            taken = names.setdefault(dataset, [])
            taken.append(_free(dataset, run.study, taken) if number else dataset)
            if number:
                notes.append(f"{taken[-1]} is kept apart from {dataset}: {reasons[0]}.")
        there[number][own] = None
        chosen[id(run)] = names[dataset][number]
    return [dataclasses.replace(run, setting=(chosen[id(run)], *run.setting[1:])) for run in runs]


def _first_reason(own: Signature, group: Iterable[Signature]) -> str | None:
    return next((reason for other in group if (reason := own.apart(other)) is not None), None)


def _free(name: str, study: str, taken: Sequence[str]) -> str:
    """A name that is not taken: with the study's, then with a number too."""
    wanted, number = f"{name} ({study})", 1
    while wanted in taken:
        number += 1
        wanted = f"{name} ({study}, {number})"
    return wanted


def _recipes(runs: Sequence[Run], notes: list[str]) -> list[Run]:
    """Recipes of one name and other parameters get names of their own."""
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
    """Runs from other data may share a key; the later ones get their study's name."""
    taken: list[str] = []
    out = []
    for run in runs:
        key = _free(run.key, run.study, taken) if run.key in taken else run.key
        taken.append(key)
        out.append(dataclasses.replace(run, key=key))
    return out
