"""Asking for a round: what is there is trained on, slices are chosen, and the folder for annotators is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from alseg_core.errors import ConfigError, ResultsError, plural
from alseg_core.events import Listener
from bench.project.exchange import write_round
from bench.project.manifest import NAME, Manifest, keep, read_asked
from bench.project.project import Project
from bench.project.rounds import State, choose, decline, manifest_of
from bench.project.times import minutes_each


def ask(
    project: Project,
    batch: int | None = None,
    *,
    without_missing: bool = False,
    prefill: bool = False,
    copy_images: bool = False,
    listeners: Sequence[Listener] = (),
) -> list[str]:
    """Train on what was given, choose slices, and write the folder of the round; return lines for the user.

    A command that was cut off is completed: slices that are chosen stay as they are, and so does every file that is
    there. Raises ResultsError while slices of the last round are missing, unless they are to be left out; ConfigError
    for a start that cannot be handed out.
    """
    lines = [f"note: {note}" for note in project.returned.notes()]
    state = State.of(project)
    goes_on = without_missing and state.begun
    _check_prefill(project, state, prefill, goes_on)
    if state.pending is not None and state.missing:
        if not goes_on and (written := _complete(project, prefill, copy_images)):
            return [*lines, *written]
        if not without_missing:
            raise ResultsError(
                f"{len(state.missing)} of {len(state.pending.selected)} slices of "
                f"{project.round_folder(state.pending.round)} are not there yet. When they are annotated: alseg "
                f"project take {project.typed}; to go on without them: alseg project next {project.typed} "
                "--without-missing"
            )
        lines.append(f"{plural(len(decline(project)), 'slice')} left out; they may be asked for again")
    if choose(project, project.decided.batch if batch is None else batch, listeners) is None:
        lines.append(f"every slice is annotated; alseg project predict {project.typed} writes masks of all scans")
        return lines
    return [*lines, *_complete(project, prefill, copy_images)]


def _check_prefill(project: Project, state: State, prefill: bool, goes_on: bool) -> None:
    """Raise ConfigError, before any training, for labels that cannot be handed out.

    goes_on: whether what is missing of the pending round is left out, so that it is trained on.
    """
    if prefill and project.decided.kind == "scribble":
        raise ConfigError("--prefill hands out whole masks, and this project is annotated by scribbles; leave it out.")
    if prefill and not (state.records or state.complete or goes_on):
        raise ConfigError("--prefill needs a network, and none is trained before the first round; leave it out.")


def _complete(project: Project, prefill: bool, copy_images: bool) -> list[str]:
    """Write what the folder of the pending round lacks; return lines, none if nothing was lacking."""
    state = State.of(project)
    assert state.pending is not None
    folder = project.round_folder(state.pending.round)
    before = _files(folder)
    wanted = manifest_of(project, state.pending)
    manifest = _written(project, folder, wanted)
    proposed = None
    if prefill:
        from bench.project.predict import proposals

        proposed = proposals(project, [scan.case for scan in manifest.scans])
    write_round(folder, manifest, project.folder, proposed, copy_images=copy_images)
    if _files(folder) == before:
        return []
    slices, scans = plural(len(manifest.slices), "slice"), plural(len(manifest.scans), "scan")
    given = len(wanted.slices) - len(state.missing)
    already = f"; {given} of them are given already" if given else ""
    work = len(state.missing) * minutes_each(project)
    return [
        f"{folder}: {slices} of {scans} to annotate, about {work:.0f} minutes{already}",
        f"open {folder / 'README.txt'} first; slices are shown in {folder / 'contact_sheet.html'}",
        f"next: annotate, then alseg project take {project.typed}",
    ]


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def _written(project: Project, folder: Path, wanted: Manifest) -> Manifest:
    """Return the manifest that the folder of the round holds, if it does: estimates may have changed since.

    Otherwise a copy of the one that is wanted is kept. Raises ResultsError if the one there was changed, or asks for
    other slices than the run waits for.
    """
    if not (folder / NAME).is_file():
        keep(wanted, project.folder, folder)
        return wanted
    found = read_asked(project.folder, folder)
    asked = {(asked.case, asked.z) for asked in found.slices}
    missing = {(asked.case, asked.z) for asked in wanted.slices} - asked
    if missing:
        raise ResultsError(
            f"{folder / NAME} asks for other slices than the run waits for, {plural(len(missing), 'slice')} of which "
            f"are not in it. Move {folder} away, with what was drawn there, and give the same command again: it is "
            "written anew."
        )
    return found
