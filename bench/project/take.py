"""Taking what annotators gave back into the project."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from alseg_core.errors import ResultsError, plural, some
from alseg_core.intact import seal
from alseg_core.oracles.returned import Entry, Given
from bench.project.manifest import NAME, Manifest
from bench.project.project import Project
from bench.project.returns.marks import numbers
from bench.project.returns.taken import read_returns
from bench.project.rounds import State

MARKS = ("*.csv", "*.mrk.json")
"""Files that say what is done, which are kept beside the labels."""


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
    times: Path | None = None,
) -> Receipt:
    """Read what annotators saved, check it, and keep the slices that are done.

    Files are copied into the project before their labels count. A slice that was given before is superseded, and its
    former labels are kept; a file that is older than what superseded it is left alone.

    Args:
        project: the project.
        files: folder or file; None = the folder of the round.
        number: round, counted from 1; None = the one that was asked for last.
        done, annotator, keep_others, times: as in :func:`bench.project.returns.taken.read_returns`.

    Raises ResultsError: no round was asked for, or a file changed while it was taken. DataError: no such files.
    """
    folder, manifest = _asked(project, number)
    place = folder if files is None else files
    before = project.returned.latest()
    taken = read_returns(
        manifest,
        folder,
        place,
        done=done,
        annotator=annotator,
        keep_others=keep_others,
        times=times,
        known=set(before),
    )
    given, outdated = _newer(taken.given, project.returned.history())
    changed = [one for one in given if (one.case, one.z) not in before or before[one.case, one.z].sha256 != one.sha256]
    copied = _keep_copy(project, folder, place, changed, times) if changed else None
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
    if others := sum(entry.round is None for entry in new):
        lines.append(f"{others} of these nobody asked for: the next training uses them too")
    if copied is not None:
        lines.append(f"the files were copied to {copied}")
    if outdated:
        lines.append(f"note: {plural(outdated, 'slice')} in files that were superseded before, and left alone")
    lines += [f"note: {note}" for note in taken.notes]
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
    """Return the folder and the manifest of a round. Raises ResultsError: there is none."""
    pending = State.of(project).pending
    last = pending.round if pending is not None else len(project.results.records()) - 1
    numbered = {project.shown(round_): project.round_folder(round_) for round_ in range(last + 1)}
    there = {shown: folder for shown, folder in numbered.items() if (folder / NAME).is_file()}
    if not there:
        raise ResultsError(f"no round was asked for yet; alseg project next {project.folder} chooses the first slices.")
    wanted = max(there) if number is None else number
    if wanted not in there:
        raise ResultsError(f"there is no round {wanted}; there are {some([str(shown) for shown in there])}.")
    return there[wanted], Manifest.read(there[wanted])


def _keep_copy(project: Project, folder: Path, place: Path, given: Sequence[Given], times: Path | None) -> Path:
    """Copy the files of slices, and what says that they are done, into the project; return where.

    Raises ResultsError when a file is not the one that was read.
    """
    below = place if place.is_dir() else place.parent
    sums = {below / one.source: one.sha256 for one in given if (below / one.source).is_file()}
    marks = {path for root in {folder, below} for mark in MARKS for path in root.rglob(mark)}
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    names = itertools.chain([now], (f"{now}-{count}" for count in itertools.count(2)))
    target = next(path for path in (project.folder / "returns" / name for name in names) if not path.exists())
    for path in sorted({*sums, *marks, *([times] if times is not None else [])}):
        root = next((root for root in (below, folder) if path.is_relative_to(root)), path.parent)
        copy = target / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
        if path in sums and seal(copy).partition(" ")[2] != sums[path]:
            raise ResultsError(f"{path} was changed while it was taken; take it again when it is saved.")
    return target


def _next(project: Project, manifest: Manifest, missing: Sequence[tuple[str, int]], new: bool) -> list[str]:
    """Return what is missing, and what to do next."""
    state = State.of(project)
    if state.pending is None or project.shown(state.pending.round) != manifest.round + 1:
        lines = ["this round was trained on already: the change counts from the next training on"] if new else []
        if state.pending is not None and state.missing:
            waiting = plural(len(state.missing), "slice")
            lines.append(f"round {project.shown(state.pending.round)} still waits for {waiting}")
        return lines
    if not missing:
        return [
            "the round is complete",
            f"next: alseg project status {project.folder} trains on it and tells how good the network is; "
            f"alseg project next {project.folder} trains and asks for more",
        ]
    cases = sorted({case for case, _ in missing})
    where = [f"{case} {numbers(manifest, case, [z for one, z in missing if one == case])}" for case in cases]
    return [
        f"still missing (case, stored slice numbers from 0): {'; '.join(where)}",
        f"next: alseg project take {project.folder} when they are there, or go on without them: "
        f"alseg project next {project.folder} --without-missing",
    ]
