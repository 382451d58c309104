"""The rounds of a project: the loop goes as far as the labels allow; what it waits for is written for annotators."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from alseg_core.config import RunConfig
from alseg_core.errors import LabelsAwaited, ResultsError
from alseg_core.events import Listener
from alseg_core.loop import run
from alseg_core.material import Material, open_material
from alseg_core.pending import Pending
from alseg_core.resume import positions
from alseg_core.vocabulary import RoundRecord, Selection
from bench.project.manifest import AskedSlice, Manifest, values_of
from bench.project.project import Project
from bench.project.reasons import reason
from bench.project.scans import scans
from bench.project.times import minutes_each
from bench.project.unchanged import check_scans


@dataclass(frozen=True, eq=False)
class State:
    """How far a project is."""

    records: Sequence[RoundRecord]
    """Finished rounds: their labels are there, and a network was trained on them."""
    pending: Pending | None
    """The round that was asked for and is not finished."""
    missing: tuple[tuple[str, int], ...]
    """Slices (case, z) of that round that nobody has given yet."""

    @classmethod
    def of(cls, project: Project) -> State:
        """Read it from disk. Raises ResultsError for a damaged file."""
        records = project.results.records()
        pending = Pending.read(project.results.path)
        if pending is not None and pending.round < len(records):
            pending = None
        known = project.returned.latest() if pending is not None else {}
        asked = [] if pending is None else keys(pending.selected)
        return cls(records, pending, tuple(key for key in asked if key not in known))

    @property
    def complete(self) -> bool:
        """Whether all labels of the pending round are there, so that a network can be trained on them."""
        return self.pending is not None and not self.missing

    @property
    def begun(self) -> bool:
        """Whether some labels of the pending round are there, and some are not."""
        return self.pending is not None and 0 < len(self.missing) < len(self.pending.selected)

    @property
    def used(self) -> set[tuple[str, int]]:
        """Slices (case, z) of the finished rounds and of the pending one."""
        pending = [] if self.pending is None else keys(self.pending.selected)
        return {key for record in self.records for key in keys(record.selected)} | set(pending)

    @property
    def budgets(self) -> list[int]:
        """Cumulative labelled slices of the finished rounds, and of the pending one."""
        budgets = [record.labelled for record in self.records]
        if self.pending is not None:
            budgets.append((budgets[-1] if budgets else 0) + len(self.pending.selected))
        return budgets


def keys(selected: Sequence[Mapping[str, object]]) -> list[tuple[str, int]]:
    """Return (case, z) of the entries of a selection."""
    return [(str(entry["case"]), int(str(entry["z"]))) for entry in selected]


def material_of(project: Project) -> tuple[RunConfig, Material]:
    """Open the prepared scans; the configuration has a budget of one slice.

    Raises ResultsError when the scans are not those that the project was started with.
    """
    config = project.config([1])
    check_scans(project, config)
    return config, open_material(config, project.store)


def train(project: Project, listeners: Sequence[Listener] = ()) -> Sequence[RoundRecord]:
    """Train on a round whose labels are all there, if there is one; return the records of all finished rounds."""
    state = State.of(project)
    if not state.complete:
        return state.records
    _, material = material_of(project)
    _with_others(project, material)
    config = project.config(State.of(project).budgets)
    config.check()
    return run(config, project.results.path, project.store, listeners)


def choose(project: Project, batch: int, listeners: Sequence[Listener] = ()) -> Pending | None:
    """Train on what is there and choose ``batch`` more slices; return what is asked for, None if nothing is left.

    A round whose slices all happen to be given already is trained on, and the next one is chosen. Raises LabelsAwaited
    if a round is asked for already and not complete.
    """
    state = State.of(project)
    if state.missing:
        raise LabelsAwaited(state.missing)
    _, material = material_of(project)
    pool = len(material.slices)
    while True:
        _with_others(project, material)
        state = State.of(project)
        budgets = state.budgets
        done = budgets[-1] if budgets else 0
        if done >= pool:
            train(project, listeners)
            return None
        budgets.append(min(done + batch, pool))
        most = len(budgets)
        while len(budgets) < project.decided.planned and budgets[-1] < pool:  # some strategies look at what is to come
            budgets.append(min(budgets[-1] + project.decided.batch, pool))
        config = project.config(budgets)
        config.check()
        with suppress(LabelsAwaited):
            run(config, project.results.path, project.store, listeners, most)
        pending = State.of(project).pending
        if pending is not None:
            return pending


def _with_others(project: Project, material: Material) -> None:
    """Add to a complete round the slices that were given without being asked for, so that they are trained on."""
    state = State.of(project)
    if not state.complete or state.pending is None:
        return
    extra = [{"case": case, "z": z} for case, z in sorted(set(project.returned.latest()) - state.used)]
    found = positions(extra, material.slices.table) if extra else None
    if found is None:
        return
    entries = [*state.pending.selected, *material.entries(Selection(found))]
    declined = [entry for entry in state.pending.declined if keys([entry])[0] not in set(keys(entries))]
    dataclasses.replace(state.pending, selected=entries, declined=declined).write(project.results.path)


def decline(project: Project) -> list[tuple[str, int]]:
    """Go on without the slices of the pending round that nobody gave; return them. They stay in the pool.

    Raises ResultsError if nothing was given.
    """
    state = State.of(project)
    if state.pending is None or not state.missing:
        return []
    kept = [entry for entry in state.pending.selected if keys([entry])[0] not in state.missing]
    if not kept:
        raise ResultsError(
            f"none of the {len(state.missing)} slices of round {project.shown(state.pending.round)} was given, so "
            "there is nothing to go on with."
        )
    gone = [entry for entry in state.pending.selected if entry not in kept]
    changed = dataclasses.replace(state.pending, selected=kept, declined=[*state.pending.declined, *gone])
    changed.write(project.results.path)
    return list(state.missing)


def manifest_of(project: Project, pending: Pending) -> Manifest:
    """Return the manifest of a round: what it asks for, without what was given before."""
    config, material = material_of(project)
    asked = keys(pending.selected)
    scores = dict(zip(asked, (entry.get("score") for entry in pending.selected), strict=True))
    cases = sorted({case for case, _ in asked})
    found = scans(project, config, material.infos(cases))
    values, unmarked = values_of(project.decided.kind, len(config.dataset.classes))
    why, each = reason(config, pending.round), minutes_each(project)
    slices = tuple(
        AskedSlice(case, z, rank, _score(scores[case, z]), why, round(each, 2))
        for rank, (case, z) in enumerate(asked, start=1)
    )
    return Manifest(
        project=project.name,
        round=project.shown(pending.round) - 1,
        kind=project.decided.kind,
        classes=tuple(config.dataset.classes),
        values=values,
        unmarked=unmarked,
        scans=tuple(found[case] for case in cases),
        slices=slices,
    )


def _score(score: object) -> float | None:
    return None if score is None else float(str(score))
