"""Looking at what annotators gave back; nothing is written."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from bench.project.returns.found import HANDED_OUT, File, Found, Names, look
from bench.project.returns.marks import Mark, Marks, counted
from bench.project.returns.notes import BACKGROUND, EXTRA, LEFT_OUT, PROPOSED, STAYING, UNSAID, Notes
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
    tables: tuple[Path, ...] = ()
    """Tables and point lists that say something about slices."""


@dataclass
class _Look:
    """One look at the files, step by step."""

    manifest: Manifest
    round_folder: Path
    done: Literal["marked", "all"]
    keep_others: bool
    by_voxels: bool
    known: Collection[tuple[str, int]]
    names: Names
    found: Found
    marks: Marks = field(default_factory=Marks)
    tables: list[Path] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    faulty: list[tuple[str, str]] = field(default_factory=list)
    """Case, and what is wrong with a file of it."""
    untouched: dict[str, set[int]] = field(default_factory=dict)
    """Case -> slices that are said to be done in a file that is as it was handed out."""
    proposed: dict[str, set[int]] = field(default_factory=dict)
    """The same for files that hold proposals, where a file of unknown case may be the one that was drawn."""
    empty: set[tuple[str, int]] = field(default_factory=set)
    """Slices that are said to be empty, and are."""
    notes: Notes = field(default_factory=Notes)
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
    by_voxels: bool = False,
    times: Path | None = None,
    known: Collection[tuple[str, int]] = (),
    elsewhere: Mapping[str, str] | None = None,
) -> Taken:
    """Look at what annotators gave back.

    Args:
        manifest: the round.
        round_folder: its folder, whose tables and point lists count too.
        files: the folder of the round, a copy of it, another folder, or a single file. Each sub-folder that is none of
            the round's own is that of an annotator of its name.
        done: "marked" takes the slices that are said to be done, in worklist.csv, done.csv or a point list; "all" takes
            all asked slices too of the files where one of them was changed, and the changed ones of files that were
            handed out with proposals. A file that is as it was handed out without proposals gives only slices that are
            said to be empty.
        annotator: whose version to take where annotators differ; the name of the annotator if no file says who drew it.
        keep_others: take slices too that nobody asked for, if they are said to be done; with done="all" those where
            something is drawn.
        by_voxels: take files without a position voxel by voxel, though the scan has one.
        times: a CSV file with the columns case, index and minutes.
        known: slices (case, z) that were given before, whose files need not be there again; what is wrong with files
            whose slices were all given is a note, no problem.
        elsewhere: other scans of the project -> what to say of them, as in :class:`Names`.

    Raises DataError: ``files`` or ``times`` does not exist. ConfigError: there is nothing of ``annotator``.
    ResultsError: the labels that were handed out cannot be read.
    """
    if done not in ("marked", "all"):
        raise ConfigError(f"done must be 'marked' or 'all', got {shown(done)}.")
    if times is not None and not times.is_file():
        raise DataError(f"{times} does not exist; give the CSV file with the columns case, index and minutes.")
    names = Names(tuple(scan.case for scan in manifest.scans), round_folder.resolve().name, elsewhere or {})
    found = look(names, manifest, round_folder, files)
    labels = _named(found.labels, annotator)
    state = _Look(manifest, round_folder, done, keep_others, by_voxels, known, names, found)
    _read_marks(state, files, times)
    _check_people(state, labels)
    for drawn, prefilled in _read_labels(state, labels):
        _take_slices(state, drawn, prefilled)
    given, problems, notes = agreed(state.candidates, manifest, annotator)
    _check_marks(state)
    given = _worth_taking(state, given)
    there = {(one.case, one.z) for one in given}
    _check_untouched(state, there)
    missing = [(asked.case, asked.z) for asked in manifest.slices if (asked.case, asked.z) not in there]
    more = _faults(state, problems)
    if not found.labels and not state.problems and not more:
        cases = some([f"{scan.case}.nii.gz" for scan in manifest.scans], 3)
        state.problems.append(f"{files} holds no label files; they are named after their cases, such as {cases}.")
    told = [*state.notes.lines(manifest), *notes, *more]
    return Taken(tuple(given), tuple(missing), _lines(state.problems), _lines(told), tuple(state.tables))


def _lines(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(visible, texts)))


def _faults(state: _Look, differences: Sequence[str]) -> list[str]:
    """Add what is wrong with label files to the problems, that of other cases first; return what is but a note."""
    asked = {(slice_.case, slice_.z) for slice_ in state.manifest.slices}
    faults = [*((None, text) for text in (*state.found.problems, *differences)), *state.faulty]
    notes, problems = [], []
    for case, text in faults:
        if all(key in state.known for key in asked if case in (None, key[0])):
            notes.append(f"{text} All its slices are there already.")
        else:
            problems.append(text)
    state.problems[:0] = problems
    return notes


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


def _handed_out(state: _Look, case: str) -> tuple[LabelArray, bool]:
    """Return class numbers (D, H, W) of a scan as they were handed out, and whether they are proposals."""
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
        return np.broadcast_to(np.uint8(0 if state.manifest.unmarked is None else IGNORE), shape), False
    if filled.shape != shape:
        raise ResultsError(f"{path}: {case} has shape {filled.shape} instead of {shape}.")
    return filled, True


def _read_marks(state: _Look, files: Path, times: Path | None) -> None:
    """Read every table and point list, those of the round's folder first."""
    names, found, round_folder = state.names, state.found, state.round_folder
    places: dict[Path, Path] = {}  # file -> folder that it is named from
    if round_folder.is_dir():
        own = look(names, state.manifest, round_folder, round_folder)
        places |= {path.resolve(): round_folder.resolve() for path in (*own.tables, *own.points)}
    beside = files if files.is_dir() else files.parent
    more = [] if files.is_dir() else [*beside.glob("done*.csv"), *beside.glob("worklist*.csv")]
    came = {path.resolve(): beside.resolve() for path in (*found.tables, *found.points, *more)}
    places |= came
    for path, folder in places.items():
        relative = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
        annotator = names.annotator(relative)
        if path.suffix.lower() == ".csv":
            listed = path.name.lower().startswith("done")
            marks, problems = read_table(path, relative.as_posix(), state.manifest, listed=listed, annotator=annotator)
        else:
            marks, problems = read_points(path, relative, names, state.manifest, annotator)
        if marks:
            state.tables.append(path)
        state.marks.marks += [replace(mark, returned=path in came) for mark in marks]
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
    cases = {file.case for file in files}
    for mark in state.marks.marks:
        if (mark.case, mark.z) in state.known and not (mark.returned and mark.case in cases):
            continue  # it is there, and not about these files
        if mark.annotator and mark.annotator.casefold() not in known:
            strangers.setdefault(mark.annotator, mark)
    names = some(sorted({file.annotator for file in files}))
    for name, mark in strangers.items():
        state.problems.append(f"{mark.where}: there is no file of the annotator {shown(name)}; there are {names}.")


def _read_labels(state: _Look, files: Sequence[File]) -> Iterator[tuple[Drawn, bool]]:
    """Read files, one after the other; one counts of a case and annotator, or none if one cannot be read.

    Each comes with whether it was handed out with proposals.
    """
    busy = changing(files)
    groups: dict[tuple[str, str], list[File]] = {}
    for file in files:
        groups.setdefault((file.case, file.annotator), []).append(file)
    for (case, annotator), group in groups.items():
        state.seen.add((case, annotator.casefold()))
        scan = state.manifest.scan(case)
        handed_out, prefilled = _handed_out(state, case)
        wanted = range(scan.depth) if state.keep_others else state.manifest.wanted(case)
        versions, bad = [], False
        for file in group:
            try:
                if file.path in busy:
                    raise DataError(f"{file.name}: it is being written; wait until it is saved, and take it again.")
                versions.append(draw(file, state.manifest, handed_out, wanted, state.by_voxels))
            except DataError as error:
                bad = True
                others = [other.name for other in group if other != file]
                also = f" Until then {some(others)} of the same case is left out too." if others else ""
                state.faulty.append((case, f"{error}{also}"))
        if not bad:
            yield from ((one, prefilled) for one in _one_of(state, versions))


def _one_of(state: _Look, versions: Sequence[Drawn]) -> list[Drawn]:
    """Return the file that counts of several of one case and annotator, if that is clear."""
    changed = [one for one in versions if one.edited] or list(versions[:1])
    if any(not np.array_equal(changed[0].labels, other.labels) for other in changed[1:]):
        names = " and ".join(one.file.name for one in changed)
        text = f"{names} are both of {changed[0].file.case} and differ; keep one, or a folder for each annotator."
        state.faulty.append((changed[0].file.case, text))
        return []
    one = changed[0]
    if len(versions) > 1:
        why = "the same labels" if len(changed) > 1 else "no changes"
        for other in versions:
            if other is not one:
                state.notes.on_file(f"{why}; set aside, as another file of the case is taken", other.file.name)
    for note in one.notes:
        state.notes.on_file(note, one.file.name)
    return [one]


def _take_slices(state: _Look, drawn: Drawn, prefilled: bool) -> None:
    """Note the slices of a file that are done as candidates."""
    manifest, file = state.manifest, drawn.file
    asked = set(manifest.wanted(file.case))
    finished = _finished(state, drawn, prefilled, asked)
    open_ = (asked - finished) & drawn.edited
    known = {z for case, z in state.known if case == file.case}
    state.notes.on_slices(UNSAID, file.case, file.annotator, open_ - known)
    state.notes.on_slices(STAYING, file.case, file.annotator, open_ & known)
    others, extra = drawn.edited - asked, finished - asked
    state.notes.on_slices(EXTRA, file.case, file.annotator, extra)
    state.notes.on_slices(LEFT_OUT, file.case, file.annotator, others - extra)
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
            as_proposed=prefilled and z in asked and z not in drawn.edited,
        )
        named = bool(file.annotator) and any(mark.done and mark.annotator for mark in marks)
        state.candidates.append(Candidate(given, z in drawn.edited, named))


def _finished(state: _Look, drawn: Drawn, prefilled: bool, asked: Collection[int]) -> set[int]:
    """Return the slices of a file that are taken, asked or not; note what is wrong with what is said about it."""
    manifest, file = state.manifest, drawn.file
    blank = 0 if manifest.unmarked is None else IGNORE
    with_labels = set(np.flatnonzero((drawn.labels != blank).any(axis=(1, 2))).tolist())
    counting = set(range(len(drawn.labels))) if state.keep_others else set(asked)
    said = counting & state.marks.done(file.case, file.annotator)
    empty = counting & state.marks.empty(file.case, file.annotator)
    for z, (yes, no) in state.marks.contradictions(file.case, file.annotator).items():
        state.problems.append(
            f"{file.case}: {counted(manifest, file.case, [z])} is done in {yes.where}, and not done in {no.where}; "
            "left open. Keep one of them."
        )
    if full := empty & with_labels:
        state.problems.append(
            f"{file.name}: {counted(manifest, file.case, full)} said to be empty, and there are labels; left open. "
            "Erase them, or say yes."
        )
    said -= full
    state.empty |= {(file.case, z) for z in empty - full}
    template = not drawn.edited and file.path.name.lower().endswith(HANDED_OUT)
    if template and not prefilled and said - empty:
        state.untouched.setdefault(file.case, set()).update(said - empty)
        said &= empty
    elif template and state.found.strays and said - empty:
        state.proposed.setdefault(file.case, set()).update(said - empty)
        said &= empty
    if state.done == "marked":
        return said
    denied = state.marks.denied(file.case, file.annotator) - said
    changed = drawn.edited & counting & (set(asked) | with_labels)
    if drawn.edited & set(asked) and not prefilled:
        changed |= set(asked)
    elif not drawn.edited & set(asked) and set(asked) - said:
        state.notes.on_file(
            "no asked slice is changed, so it does not count; say done=empty where nothing is to be seen", file.name
        )
    return said | (changed - full - denied)


def _check_untouched(state: _Look, there: Collection[tuple[str, int]]) -> None:
    """Note a problem for the slices that are said to be done in files that nobody changed."""
    strays = some(state.found.strays, 3)
    untouched = "its file is as it was handed out"
    blank = ", or say done=empty where nothing is to be seen" if state.manifest.unmarked is None else ""
    advice = (
        (state.untouched, f"{untouched}; draw on it{blank}."),
        (
            state.proposed,
            f"{untouched}, but {strays} may be what was drawn; name it after its case, or move it.",
        ),
    )
    for files, why in advice:
        for case, slices in sorted(files.items()):
            lost = {z for z in slices if not {(case, z)} & {*there, *state.known}}
            if lost:
                what = f"{counted(state.manifest, case, lost)} {'are' if len(lost) > 1 else 'is'} said to be done"
                state.problems.append(f"{case}: {what}, and {why}")


def _check_marks(state: _Look) -> None:
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
        elif mark.done and (mark.case, mark.z) not in state.known:
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
    unmarked: dict[tuple[str, str], list[int]] = {}
    kept = []
    for one in given:
        if manifest.unmarked is None and (one.labels == 0).all():
            if (one.case, one.z) not in state.empty:
                state.notes.on_slices(BACKGROUND, one.case, "", [one.z])
        elif manifest.unmarked is not None and (one.labels == IGNORE).all():
            if manifest.kind == "scribble":  # in masks of some slices, this one is not annotated
                unmarked.setdefault((one.case, one.source), []).append(one.z)
            continue
        if one.as_proposed:
            state.notes.on_slices(PROPOSED, one.case, "", [one.z])
        kept.append(one)
    for (case, source), slices in unmarked.items():
        where = f"{source}: {counted(manifest, case, slices)} taken as done"
        state.problems.append(f"{where}, and nothing is marked there; left open.")
    return kept
