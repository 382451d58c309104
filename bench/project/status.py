"""How far a project is: what was given, what it cost, how good the network is, and what another round would bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alseg_core.vocabulary import RoundRecord
from bench.project.outlook import Outlook, Point, outlook
from bench.project.project import Project
from bench.project.rounds import State, keys
from bench.project.scores import ENOUGH_PATIENTS, Measuring, Score, scores
from bench.project.structures import Structures, structures
from bench.project.times import minutes_each


@dataclass(frozen=True)
class RoundLine:
    """One round in the table of a project."""

    name: str
    """"given", or the number of the round from 1."""
    slices: int
    """Slices that it annotated."""
    labelled: int
    """Annotated slices up to it."""
    cost: float | None
    """Full-slice equivalents of its slices; None for those that were there before."""
    minutes: float | None
    """What its slices took; None for those that were there before."""
    measured: int
    """Slices whose time annotators told; the estimate stands for the others."""
    score: Score
    """How good its networks are."""


@dataclass(frozen=True)
class Status:
    """Everything that there is to say about a project."""

    name: str
    pool: int
    """Slices to choose from."""
    rounds: Sequence[RoundLine]
    """Finished rounds."""
    asked: int
    """Slices of the round that annotators have; 0 if there is none."""
    there: int
    """Those of them that were given back."""
    spent: float
    """Minutes that these took, as far as told, else estimated."""
    structures: Structures
    """What all slices show that were given, trained on or not."""
    outlook: Outlook | None
    """What another round would bring; None before the first is finished."""
    how: str
    """What the scores were measured on."""
    next: str
    """What to do next."""

    @property
    def minutes(self) -> float:
        """Minutes of work so far."""
        return sum(line.minutes or 0.0 for line in self.rounds)

    @property
    def cost(self) -> float:
        """Full-slice equivalents so far."""
        return sum(line.cost or 0.0 for line in self.rounds)

    @property
    def slices(self) -> int:
        """Slices annotated so far, without those that were there before."""
        return sum(line.slices for line in self.rounds if line.cost is not None)


def status(project: Project, pool: int, measuring: Measuring | None = None) -> Status:
    """Return the status of a project.

    pool: slices to choose from. measuring: as in :func:`bench.project.scores.scores`.
    """
    state = State.of(project)
    measured = scores(project, state.records, measuring)
    lines = [_line(project, record, score) for record, score in zip(state.records, measured, strict=True)]
    points = [Point(line.labelled, line.score.dice, dict(line.score.patients), line.minutes) for line in lines]
    batch = min(project.decided.batch, pool - lines[-1].labelled) if lines else 0
    expected = (
        outlook(points, batch, project.decided.enough, batch * minutes_each(project)) if lines and batch > 0 else None
    )
    asked = 0 if state.pending is None else len(state.pending.selected)
    how = next((score.how for score in reversed(measured) if score.how), "")
    return Status(
        project.name,
        pool,
        lines,
        asked,
        asked - len(state.missing),
        _minutes(project, set(keys(state.pending.selected)) - set(state.missing))[0] if state.pending else 0.0,
        structures(project),
        expected,
        how,
        _next(project, state, pool, lines),
    )


def _minutes(project: Project, slices: set[tuple[str, int]]) -> tuple[float, int]:
    """Return the minutes that slices took, the estimate standing for those without, and how many tell theirs."""
    latest = project.returned.latest()
    told = [entry.minutes for key, entry in latest.items() if key in slices and entry.minutes is not None]
    return sum(told) + (len(slices) - len(told)) * minutes_each(project), len(told)


def _line(project: Project, record: RoundRecord, score: Score) -> RoundLine:
    asked = set(keys(record.selected))
    before = project.decided.begun and record.round == 0
    minutes, told = _minutes(project, asked)
    price = record.cost / record.labelled
    return RoundLine(
        "given" if before else str(project.shown(record.round)),
        len(asked),
        record.labelled,
        None if before else len(asked) * price,
        None if before else minutes,
        told,
        score,
    )


def _next(project: Project, state: State, pool: int, lines: Sequence[RoundLine]) -> str:
    where = project.typed
    if state.pending is None:
        if lines and lines[-1].labelled >= pool:
            return f"every slice is annotated; alseg project predict {where} writes the masks of all scans"
        return f"alseg project next {where} chooses the {'next' if lines else 'first'} slices"
    folder = project.round_folder(state.pending.round)
    if state.missing:
        return f"{len(state.missing)} slices of {folder} are to be annotated; then alseg project take {where}"
    return f"all slices of {folder} are there: alseg project next {where} trains on them and chooses more"


def text(found: Status) -> list[str]:
    """Return the status as lines of text, without its table."""
    lines = []
    if found.rounds:
        lines.append(_trained(found))
    if found.structures.slices:
        lines.append(found.structures.text)
    if found.rounds:
        lines.append(f"scores: {found.how}" if found.how else "scores: none yet")
        lines += _narrow(found)
    if found.outlook is not None:
        lines.append(found.outlook.text)
    if found.asked:
        lines.append(
            f"asked for: {found.asked} slices, {found.there} of them are there, with {found.spent:.0f} minutes of work"
        )
    return [*lines, f"next: {found.next}"]


def _trained(found: Status) -> str:
    """Return the line on the slices of the finished rounds."""
    labelled, known = found.rounds[-1].labelled, sum(line.measured for line in found.rounds if line.cost is not None)
    line = f"trained on {labelled} slices of {found.pool}"
    if before := labelled - found.slices:
        line += f", {before if found.slices else 'all'} of them given before"
    if found.slices:
        sure = f"{known} of {found.slices} slices timed, the others estimated" if known < found.slices else "all timed"
        line += f": {found.cost:.1f} full-slice equivalents, {found.minutes:.0f} minutes ({sure})"
    more = found.structures.slices - labelled
    return line + (f"; {more} more {'is' if more == 1 else 'are'} there, not trained on yet" if more > 0 else "")


def _narrow(found: Status) -> list[str]:
    """Return a line where the intervals are of few patients."""
    counts = [len(line.score.patients) for line in found.rounds if line.score.interval is not None]
    if not counts or min(counts) >= ENOUGH_PATIENTS:
        return []
    many = str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
    return [f"95 % intervals: they rest on {many} patients, and from fewer than {ENOUGH_PATIENTS} they are too narrow"]
