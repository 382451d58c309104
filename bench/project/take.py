"""Taking what annotators gave back into the project."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from alseg_core.errors import ResultsError, plural, some
from alseg_core.intact import seal
from alseg_core.oracles.returned import Entry, Given
from bench.project.manifest import NAME, Manifest, read_asked
from bench.project.project import Project
from bench.project.returns.marks import numbers
from bench.project.returns.origin import check_origin
from bench.project.returns.taken import Taken, read_returns
from bench.project.rounds import State
from bench.project.structures import structures
from bench.project.together import UNFINISHED
from bench.project.unchanged import known_cases


@dataclass(frozen=True)
class Receipt:
    """What was taken."""

    lines: tuple[str, ...]
    """What to tell the user."""
    problems: tuple[str, ...]
    """What is wrong with files, one line each."""
    next: tuple[str, ...]
    """What is missing, and what to do next."""
    missing: int
    """Slices of that round that are still missing."""


def take(
    project: Project,
    files: Path | None = None,
    *,
    number: int | None = None,
    done: Literal["marked", "all"] = "marked",
    annotator: str | None = None,
    keep_others: bool = False,
    by_voxels: bool = False,
    times: Path | None = None,
) -> Receipt:
    """Read what annotators saved, check it, and keep the slices that are done.

    Files are copied into the project before their labels count. A slice that was given before is superseded, and its
    former labels are kept. A superseded file that still lies in the folder of the round is left alone, unless files or
    an annotator are named.

    Args:
        project: the project.
        files: folder or file; None = the folder of the round.
        number: round, counted from 1; None = the one that was asked for last.
        done, annotator, keep_others, by_voxels, times: as in :func:`bench.project.returns.taken.read_returns`.

    Raises ResultsError: no round was asked for, or a file changed while it was taken. DataError: no such files, or
    those of another round or project.
    """
    folder, manifest = _asked(project, number)
    place = folder if files is None else files
    check_origin(manifest, place)
    before, damage = project.returned.latest(), project.returned.notes()
    taken = read_returns(
        manifest,
        folder,
        place,
        done=done,
        annotator=annotator,
        keep_others=keep_others,
        by_voxels=by_voxels,
        times=times,
        known=set(before),
        elsewhere=_elsewhere(project, manifest),
    )
    named = files is not None or annotator is not None
    given, outdated = (list(taken.given), 0) if named else _newer(taken.given, project.returned.history())
    changed = [one for one in given if (one.case, one.z) not in before or before[one.case, one.z].sha256 != one.sha256]
    copied = _keep_copy(project, folder, place, changed, taken, times) if changed else None
    new = [entry for entry in project.returned.add(given) if _is_new(entry, before)]
    known = project.returned.latest()
    missing = [(asked.case, asked.z) for asked in manifest.slices if (asked.case, asked.z) not in known]
    corrected = sum((entry.case, entry.z) in before for entry in new)
    lines = [
        f"round {manifest.round + 1}: {len(manifest.slices) - len(missing)} of {plural(len(manifest.slices), 'slice')} "
        f"are there, {len(new)} of them taken now"
    ]
    if corrected:
        lines.append(f"{corrected} of these corrected: the new labels count, the former ones are kept")
    if new and not structures(project, {(entry.case, entry.z) for entry in new}).shown:
        lines.append(
            f"note: {plural(len(new), 'slice')} taken now, and nothing but background on them; if that is not so, look "
            "at the label values of the files"
        )
    if others := sum(entry.round is None for entry in new):
        lines.append(f"{others} of these nobody asked for: the next training uses them too")
    if copied is not None:
        lines.append(f"the files were copied to {copied}")
    if outdated:
        lines.append(f"note: {plural(outdated, 'slice')} in files that were superseded before, and left alone")
    lines += [f"note: {note}" for note in (*damage, *taken.notes)]
    return Receipt(tuple(lines), taken.problems, tuple(_next(project, manifest, missing, bool(new))), len(missing))


def _is_new(entry: Entry, before: dict[tuple[str, int], Entry]) -> bool:
    """Return whether an entry has other labels than the one before it; a time alone is no correction."""
    former = before.get((entry.case, entry.z))
    return former is None or former.array != entry.array


def _newer(given: Sequence[Given], history: Sequence[Entry]) -> tuple[list[Given], int]:
    """Return the slices without those of superseded files, which may still lie there; and how many these are."""
    last = {(entry.case, entry.z): entry.sha256 for entry in history}
    former = {(entry.case, entry.z, entry.sha256) for entry in history}
    kept = [one for one in given if (one.case, one.z, one.sha256) not in former or last[one.case, one.z] == one.sha256]
    return kept, len(given) - len(kept)


def _asked(project: Project, number: int | None) -> tuple[Path, Manifest]:
    """Return the folder and the manifest of a round. Raises ResultsError: there is none, or it was changed."""
    pending = State.of(project).pending
    last = pending.round if pending is not None else len(project.results.records()) - 1
    numbered = {project.shown(round_): project.round_folder(round_) for round_ in range(last + 1)}
    there = {shown: folder for shown, folder in numbered.items() if (folder / NAME).is_file()}
    if not there:
        raise ResultsError(f"no round was asked for yet; alseg project next {project.typed} chooses the first slices.")
    wanted = max(there) if number is None else number
    if wanted not in there:
        raise ResultsError(f"there is no round {wanted}; there are {some([str(shown) for shown in there])}.")
    return there[wanted], read_asked(project.folder, there[wanted])


def _elsewhere(project: Project, manifest: Manifest) -> dict[str, str]:
    """Return the scans of the project that the round does not ask for -> in which rounds they were asked for."""
    rounds: dict[str, list[str]] = {case: [] for case in known_cases(project)}
    for path in sorted(project.folder.glob(f"round_*/{NAME}")):
        other = Manifest.read(path.parent)
        for scan in other.scans:
            rounds.setdefault(scan.case, []).append(str(other.round + 1))
    here = {scan.case for scan in manifest.scans}
    return {
        case: f"it was asked for in round {', '.join(numbers_)} (--round)" if numbers_ else ""
        for case, numbers_ in rounds.items()
        if case not in here
    }


def _keep_copy(
    project: Project, folder: Path, place: Path, given: Sequence[Given], taken: Taken, times: Path | None
) -> Path:
    """Copy the files of slices, and what says that they are done, into the project; return where.

    Where they come from several folders, each has one of its own there.

    Raises ResultsError when a file is not the one that was read.
    """
    below, folder = (place if place.is_dir() else place.parent).resolve(), folder.resolve()
    sums = {below / one.source: one.sha256 for one in given if (below / one.source).is_file()}
    paths = sorted({*sums, *taken.tables, *([times.resolve()] if times is not None else [])})
    roots = {path: next((root for root in (below, folder) if path.is_relative_to(root)), path.parent) for path in paths}
    named = {below: "returned", folder: "round"}
    others = [root for root in dict.fromkeys(roots.values()) if root not in named]
    named |= {root: f"other_{number}" for number, root in enumerate(others, start=1)}
    alone = len(set(roots.values())) == 1
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    names = itertools.chain([now], (f"{now}-{count}" for count in itertools.count(2)))
    returns = project.folder / "returns"
    target = next(path for path in (returns / name for name in names) if not path.exists())
    half = returns / UNFINISHED
    shutil.rmtree(half, ignore_errors=True)  # what a kill has left
    try:
        for path, root in roots.items():
            copy = (half if alone else half / named[root]) / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as source, copy.open("xb") as file:
                shutil.copyfileobj(source, file)
                file.flush()
                os.fsync(file.fileno())
            shutil.copystat(path, copy)
            if path in sums and seal(copy).partition(" ")[2] != sums[path]:
                raise ResultsError(f"{path} was changed while it was taken; take it again when it is saved.")
        half.rename(target)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    return target


def _next(project: Project, manifest: Manifest, missing: Sequence[tuple[str, int]], new: bool) -> list[str]:
    """Return what is missing, and what to do next."""
    state = State.of(project)
    if state.pending is None or project.shown(state.pending.round) != manifest.round + 1:
        lines = ["this round was trained on already: the change counts from the next training on"] if new else []
        if not missing and not new:
            lines.append("the round is complete, and was trained on already")
        if state.pending is not None and state.missing:
            waiting = plural(len(state.missing), "slice")
            lines.append(f"round {project.shown(state.pending.round)} still waits for {waiting}")
        return lines
    if not missing:
        return [
            "the round is complete",
            f"next: alseg project status {project.typed} trains on it and tells how good the network is; "
            f"alseg project next {project.typed} trains and asks for more",
        ]
    cases = sorted({case for case, _ in missing})
    where = [f"{case} {numbers(manifest, case, [z for one, z in missing if one == case])}" for case in cases]
    return [
        f"still missing (case and index, from 0): {'; '.join(where)}",
        f"next: alseg project take {project.typed} when they are there, or go on without them: "
        f"alseg project next {project.typed} --without-missing",
    ]
