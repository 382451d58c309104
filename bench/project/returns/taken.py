"""Looking at what annotators gave back; nothing is written."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from alseg_core.errors import ConfigError, DataError, ResultsError, shown, some
from alseg_core.oracles.returned import Given
from alseg_core.visible import visible
from alseg_core.vocabulary import IGNORE, LabelArray
from bench.project.manifest import Manifest
from bench.project.returns.agreement import Candidate, agreed
from bench.project.returns.drawn import Drawn, changing, draw
from bench.project.returns.found import File, Found, Names, look
from bench.project.returns.marks import Mark, Marks, counted
from bench.project.returns.points import read_points
from bench.project.returns.tables import read_table

PREFILL = "prefill.npz"
"""File in the folder of a round with the labels that were handed out: by case, (D, H, W) uint8 class numbers."""


@dataclass(frozen=True)
class Taken:
    """What a folder of returned files holds. Slices are numbered in the lines of text as in the work list."""

    given: tuple[Given, ...]
    """Slices that are done, by case and slice."""
    missing: tuple[tuple[str, int], ...]
    """Slices (case, z) that are asked for and not given."""
    problems: tuple[str, ...]
    """One line each; the files concerned are left out."""
    notes: tuple[str, ...]
    """What is worth knowing."""


@dataclass
class _Look:
    """One look at the files, step by step."""

    manifest: Manifest
    round_folder: Path
    done: Literal["marked", "all"]
    keep_others: bool
    marks: Marks = field(default_factory=Marks)
    candidates: list[Candidate] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)
    """Case and annotator of every file, the refused ones included."""


def read_returns(
    manifest: Manifest,
    round_folder: Path,
    files: Path,
    *,
    done: Literal["marked", "all"] = "marked",
    annotator: str | None = None,
    keep_others: bool = False,
    times: Path | None = None,
    known: Collection[tuple[str, int]] = (),
) -> Taken:
    """Look at what annotators gave back.

    Args:
        manifest: the round.
        round_folder: its folder, whose tables and point lists count too.
        files: the folder of the round, a copy of it, another folder, or a single file. Each sub-folder that is none of
            the round's own is that of an annotator of its name.
        done: "marked" takes the slices that are said to be done, in worklist.csv, done.csv or a point list; "all" takes
            all asked slices of the files that were changed.
        annotator: whose version to take where annotators differ; the name of the annotator if no file says who drew it.
        keep_others: take slices too that nobody asked for, if they are said to be done or something is drawn there.
        times: a CSV file with the columns case, index (or slice) and minutes.
        known: slices (case, z) that were given before, whose files need not be there again.

    Raises DataError: ``files`` or ``times`` does not exist. ConfigError: there is nothing of ``annotator``.
    ResultsError: the labels that were handed out cannot be read.
    """
    if done not in ("marked", "all"):
        raise ConfigError(f"done must be 'marked' or 'all', got {shown(done)}.")
    if times is not None and not times.is_file():
        raise DataError(f"{times} does not exist; give the CSV file with the columns case, slice and minutes.")
    found = look(manifest, round_folder, files)
    labels = _named(found.labels, annotator)
    state = _Look(manifest, round_folder, done, keep_others, problems=found.problems)
    _read_marks(state, round_folder, files, found, times)
    _check_people(state, labels)
    for drawn in _read_labels(state, labels):
        _take_slices(state, drawn)
    given, problems, notes = agreed(state.candidates, manifest, annotator)
    state.problems += problems
    state.notes += notes
    _check_marks(state, known)
    given = _worth_taking(state, given)
    there = {(one.case, one.z) for one in given}
    missing = [(asked.case, asked.z) for asked in manifest.slices if (asked.case, asked.z) not in there]
    if not found.labels and not state.problems:
        cases = some([f"{scan.case}.nii.gz" for scan in manifest.scans], 3)
        state.problems.append(f"{files} holds no label files; they are named after their cases, such as {cases}.")
    lines = [tuple(dict.fromkeys(map(visible, texts))) for texts in (state.problems, state.notes)]
    return Taken(tuple(given), tuple(missing), *lines)


def _named(files: Sequence[File], annotator: str | None) -> list[File]:
    """Return the files, with the name of their annotator where none of them says who drew it."""
    names = sorted({file.annotator for file in files} - {""})
    if annotator is None or not files:
        return list(files)
    if not names:
        return [File(file.path, file.name, file.case, annotator) for file in files]
    if annotator.casefold() not in {name.casefold() for name in names}:
        raise ConfigError(f"there is nothing of the annotator {shown(annotator)}; there are {some(names)}.")
    return list(files)


def _handed_out(state: _Look, case: str) -> LabelArray:
    """Return class numbers (D, H, W) of a scan as they were handed out."""
    scan = state.manifest.scan(case)
    shape = (scan.depth, *scan.size)
    path = state.round_folder / PREFILL
    filled = None
    if path.is_file():
        try:
            with np.load(path, allow_pickle=False) as arrays:
                filled = np.asarray(arrays[case], np.uint8) if case in arrays.files else None
        except Exception as error:  # a damaged archive can fail anywhere
            raise ResultsError(f"{path} cannot be read ({error}); put back a copy, or make the round anew.") from None
    if filled is None:
        return np.broadcast_to(np.uint8(0 if state.manifest.unmarked is None else IGNORE), shape)
    if filled.shape != shape:
        raise ResultsError(f"{path}: {case} has shape {filled.shape} instead of {shape}.")
    return filled


def _read_marks(state: _Look, round_folder: Path, files: Path, found: Found, times: Path | None) -> None:
    """Read every table and point list, those of the round's folder first."""
    names = Names(tuple(scan.case for scan in state.manifest.scans), round_folder.resolve().name)
    places: dict[Path, Path] = {}  # file -> folder that it is named from
    if round_folder.is_dir():
        own = look(state.manifest, round_folder, round_folder)
        places |= {path.resolve(): round_folder.resolve() for path in (*own.tables, *own.points)}
    beside = files if files.is_dir() else files.parent
    more = [] if files.is_dir() else [*beside.glob("done*.csv"), *beside.glob("worklist*.csv")]
    places |= {path.resolve(): beside.resolve() for path in (*found.tables, *found.points, *more)}
    for path, folder in places.items():
        relative = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
        annotator = names.annotator(relative)
        if path.suffix.lower() == ".csv":
            listed = path.name.lower().startswith("done")
            marks, problems = read_table(path, relative.as_posix(), state.manifest, listed=listed, annotator=annotator)
        else:
            marks, problems = read_points(path, relative, names, state.manifest, annotator)
        state.marks.marks += marks
        state.problems += problems
    if times is not None:
        marks, problems = read_table(times, times.name, state.manifest, listed=False, others=True)
        state.marks.marks += marks
        state.problems += problems


def _check_people(state: _Look, files: Sequence[File]) -> None:
    """Note a problem for each annotator in a table who gave no file, where the files say whose they are."""
    known = {file.annotator.casefold() for file in files}
    if not files or "" in known:
        return
    strangers: dict[str, Mark] = {}
    for mark in state.marks.marks:
        if mark.annotator and mark.annotator.casefold() not in known:
            strangers.setdefault(mark.annotator, mark)
    names = some(sorted({file.annotator for file in files}))
    for name, mark in strangers.items():
        state.problems.append(f"{mark.where}: there is no file of the annotator {shown(name)}; there are {names}.")


def _read_labels(state: _Look, files: Sequence[File]) -> Iterator[Drawn]:
    """Read files, one after the other; one counts of a case and annotator, or none if one cannot be read."""
    busy = changing(files)
    groups: dict[tuple[str, str], list[File]] = {}
    for file in files:
        groups.setdefault((file.case, file.annotator), []).append(file)
    for (case, annotator), group in groups.items():
        state.seen.add((case, annotator.casefold()))
        scan = state.manifest.scan(case)
        handed_out = _handed_out(state, case)
        wanted = range(scan.depth) if state.keep_others else state.manifest.wanted(case)
        versions, bad = [], False
        for file in group:
            try:
                if file.path in busy:
                    raise DataError(f"{file.name}: it is being written; wait until it is saved, and take it again.")
                versions.append(draw(file, state.manifest, handed_out, wanted))
            except DataError as error:
                bad = True
                others = [other.name for other in group if other != file]
                also = f" Until then {some(others)} of the same case is left out too." if others else ""
                state.problems.append(f"{error}{also}")
        if not bad:
            yield from _one_of(state, versions)


def _one_of(state: _Look, versions: Sequence[Drawn]) -> list[Drawn]:
    """Return the file that counts of several of one case and annotator, if that is clear."""
    changed = [one for one in versions if one.edited] or list(versions[:1])
    if any(not np.array_equal(changed[0].labels, other.labels) for other in changed[1:]):
        names = " and ".join(one.file.name for one in changed)
        state.problems.append(
            f"{names} are both of {changed[0].file.case} and differ; keep one, or a folder for each annotator."
        )
        return []
    one = changed[0]
    if len(versions) > 1:
        others = some([other.file.name for other in versions if other is not one])
        why = "the same labels" if len(changed) > 1 else "no changes"
        state.notes.append(f"{one.file.name} is taken; {others} of the same case has {why} and is set aside")
    state.notes += [f"{one.file.name}: {note}" for note in one.notes]
    return [one]


def _take_slices(state: _Look, drawn: Drawn) -> None:
    """Note the slices of a file that are done as candidates."""
    manifest, file = state.manifest, drawn.file
    asked = set(manifest.wanted(file.case))
    said = state.marks.done(file.case, file.annotator)
    finished = asked & said
    if state.done == "all":
        if drawn.edited:
            finished = asked
        elif asked - said:
            state.notes.append(
                f"{file.name} is as it was handed out and does not count; if nothing is to be drawn on a slice, say "
                "that it is done"
            )
    open_ = (asked - finished) & drawn.edited
    if open_:
        slices = counted(manifest, file.case, open_)
        state.notes.append(f"{file.name}: labels on {slices}, not said to be done; left open")
    others = drawn.edited - asked
    if state.keep_others:
        blank = 0 if manifest.unmarked is None else IGNORE
        extra = {z for z in others if (drawn.labels[z] != blank).any()} | (said - asked)
        finished = finished | extra
        if extra:
            state.notes.append(f"{file.name}: {counted(manifest, file.case, extra)}, not asked for, taken too")
    elif others:
        state.notes.append(
            f"{file.name}: {counted(manifest, file.case, others)} edited, which nobody asked for, and left out; "
            "--keep-others takes them too"
        )
    for z in sorted(finished):
        marks = state.marks.of(file.case, z, file.annotator)
        given = Given(
            case=file.case,
            z=z,
            labels=drawn.labels[z].copy("C"),
            round=manifest.round if z in asked else None,
            annotator=file.annotator or state.marks.who(file.case, z),
            source=file.name,
            sha256=drawn.sha256,
            minutes=state.marks.minutes(file.case, z, file.annotator),
        )
        named = bool(file.annotator) and any(mark.done and mark.annotator for mark in marks)
        state.candidates.append(Candidate(given, z in drawn.edited, named))


def _check_marks(state: _Look, known: Collection[tuple[str, int]]) -> None:
    """Note the marks that come to nothing: slices that were not asked for, and those without a file."""
    manifest = state.manifest
    asked = {(slice_.case, slice_.z) for slice_ in manifest.slices}
    files: dict[str, list[str]] = {}
    for case, annotator in state.seen:
        files.setdefault(case, []).append(annotator)
    lost: dict[tuple[str, str], list[int]] = {}
    for mark in state.marks.marks:
        if not mark.done and (mark.case, mark.z) not in asked:  # a list of times may be about all rounds
            continue
        if (mark.case, mark.z) not in asked and not state.keep_others:
            state.problems.append(
                f"{mark.where}: {counted(manifest, mark.case, [mark.z])} of {mark.case} is not one of those asked for "
                f"({counted(manifest, mark.case, manifest.wanted(mark.case))}); is the number right? It counts from 0."
            )
        elif mark.done and (mark.case, mark.z) not in known:
            people = files.get(mark.case, [])
            if not people or (mark.annotator and "" not in people and mark.annotator.casefold() not in people):
                lost.setdefault((mark.case, mark.annotator), []).append(mark.z)
    for (case, annotator), slices in lost.items():
        whose = f" of {annotator}" if annotator else ""
        state.problems.append(
            f"{case}: {counted(manifest, case, set(slices))} said to be done, and there is no file{whose} for {case}."
        )


def _worth_taking(state: _Look, given: Sequence[Given]) -> list[Given]:
    """Return the slices without those that teach nothing; note the ones without foreground."""
    manifest = state.manifest
    plain: dict[tuple[str, str], list[int]] = {}
    kept = []
    for one in given:
        if manifest.unmarked is None and (one.labels == 0).all():
            plain.setdefault((one.case, one.source), []).append(one.z)
        elif manifest.unmarked is not None and (one.labels == IGNORE).all():
            if manifest.kind == "mask":  # masks of some slices: this one is not annotated
                continue
            plain.setdefault((one.case, one.source), []).append(one.z)
            continue
        kept.append(one)
    for (case, source), slices in plain.items():
        where = f"{source}: {counted(manifest, case, slices)} taken as done"
        if manifest.unmarked is None:
            state.notes.append(f"{where}, and everything there is background")
        else:
            state.problems.append(f"{where}, and nothing is marked there; left open.")
    return kept
