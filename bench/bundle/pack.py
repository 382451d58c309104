"""From the folder of a study to a bundle."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alseg_core import __version__
from alseg_core.errors import ResultsError
from alseg_core.intact import seal
from alseg_core.results import FILES
from alseg_core.rounds import Rounds
from bench.bundle import archive
from bench.bundle.facts import facts
from bench.bundle.fingerprint import fingerprint_of, note_of
from bench.bundle.manifest import FORMAT, SCHEMA, WAYS, Manifest, RunNote
from bench.bundle.private import Private
from bench.bundle.tuned import looked_at
from bench.report.runs.discover import Found, find
from bench.report.runs.run import Run
from bench.study import foreign
from bench.study.rerun import harmless

ENDING = ".alseg.zip"
"""End of the names of bundles."""
INDEX = ("name", "runs", "sources", "recipes", "controls", "primary", "command")
"""Keys of study.json that a bundle keeps."""


@dataclass(frozen=True)
class Packed:
    """A bundle that was written."""

    path: Path
    """Its file."""
    bytes: int
    """Its size."""
    runs: int
    """Runs of the study, started or not."""
    rounds: int
    """Finished rounds."""
    remarks: tuple[str, ...]
    """What its author should know, a line each."""


def pack(
    study: Path,
    target: Path,
    names: bool = False,
    tunings: Sequence[Path] | None = None,
    by_hand: str | None = None,
) -> Packed:
    """Write the study in the folder ``study`` to the file ``target``; the same runs give the same bytes.

    names: whether to show the names of cases and patients. tunings: folders of the tunings that recipes or settings
    come from, empty if there were none; None = nothing is declared. by_hand: how settings were chosen otherwise, in
    words.
    Raises ResultsError if there is no study, if a tuning has no trials, or if the file cannot be written.
    """
    if not (study / "study.json").is_file():
        raise ResultsError(
            f"{study} is no folder of a study: study.json is missing. alseg bench makes such folders, OUT/<name of the "
            "study>."
        )
    found = find([study])
    if any(run.home != study for run in found.runs):
        raise ResultsError(" ".join(found.problems) or f"{study / 'study.json'} cannot be read.")
    private = private_of(study, found.runs, names)
    declared = None if tunings is None else [looked_at(folder, private) for folder in tunings]
    with tempfile.TemporaryDirectory(prefix="alseg-bundle-") as temporary:
        folder = Path(temporary)
        _write(folder / "study.json", _index(study, private))
        notes = {run.key: _pack_run(run, folder / "runs" / run.key, private) for run in found.runs}
        members = sorted(path for path in folder.rglob("*") if path.is_file())
        manifest = Manifest(
            format=FORMAT,
            schema=SCHEMA,
            alseg=__version__,
            names="shown" if names else "hidden",
            files={str(path.relative_to(folder)): seal(path) for path in members},
            runs=notes,
            tunings=declared,
            by_hand=None if by_hand is None else private.text(by_hand),
            facts=facts(folder, find([folder]).runs),
        )
        (folder / archive.MANIFEST).write_text(manifest.text())
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            archive.write(folder, target)
        except OSError as error:
            raise ResultsError(f"{target} cannot be written ({error.strerror}); choose another with -o FILE.") from None
    rounds = sum(len(run.records) for run in found.runs)
    return Packed(target, target.stat().st_size, len(found.runs), rounds, tuple(_remarks(found, private, manifest)))


def private_of(study: Path, runs: Sequence[Run], names: bool = False) -> Private:
    """Return what a bundle of these runs of a study must not hold. names: as in :func:`pack`."""
    cases: set[str] = set()
    patients: set[str] = set()
    folders = {study.absolute(), study.resolve(), Path.cwd(), Path.home()}
    for run in runs:
        data = run.environment.get("data", {})
        cases.update(case for part in data.get("cases", {}).values() for case in part)
        patients.update(data.get("patient_of", {}).values())
        cases.update(str(pick["case"]) for record in run.records for pick in record.selected)
        dataset: dict[str, Any] = dict((run.config or {}).get("dataset", {}))
        folders.update(Path(str(dataset[key])) for key in ("root", "returned") if dataset.get(key))
    return Private.of(cases, patients, folders, hidden=not names)


def _index(study: Path, private: Private) -> dict[str, Any]:
    content = foreign.mapping(study / "study.json")
    kept: dict[str, Any] = private.paths({key: content[key] for key in INDEX if key in content})
    return {**kept, "command": kept["command"] if harmless(kept.get("command")) else None}


def _pack_run(run: Run, place: Path, private: Private) -> RunNote:
    """Write the files of a run, which need not have started; return what they do not say."""
    place.mkdir(parents=True)
    if run.failure is not None:
        _write(place / "failure.json", {"reason": private.reason(run.failure)})
    if run.config is None:
        return RunNote(originals=_originals(run))
    fingerprint = str(foreign.mapping(run.folder / "config.json")["fingerprint"])
    identity = {"fingerprint": fingerprint, "data_key": run.data_key}
    _write(place / "config.json", {**identity, "config": private.config(run.config)})
    if run.environment:
        _write(place / "environment.json", private.environment(run.environment))
    files = {name: seal(place / name) for name in FILES if (place / name).is_file()}
    rounds = Rounds()
    for record in run.records:
        rounds = rounds.with_record(private.record(record, files))
    if run.records:
        (place / "rounds.jsonl").write_text(rounds.text)
    note = note_of(run.config, fingerprint, _originals(run))
    shown = private.paths(run.config), note.model_copy(update={"training": private.paths(note.training)})
    if note.formats is None or fingerprint_of(*shown) != fingerprint:  # it cannot be made again without the paths
        return RunNote(originals=note.originals)
    return note


def _originals(run: Run) -> dict[str, str]:
    """Return the seals of the files of a run folder, with which its owner can show that a bundle is of it."""
    names = (*FILES, "rounds.jsonl")
    return {name: seal(run.folder / name) for name in sorted(names) if (run.folder / name).is_file()}


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, separators=(",", ":"), allow_nan=False))


def _remarks(found: Found, private: Private, manifest: Manifest) -> list[str]:
    """Return what the author of a bundle should know."""
    lines = [f"not complete: {private.text(problem)}" for problem in found.problems]
    if unfinished := manifest.facts["unfinished"]:
        lines.append(f"{len(unfinished)} runs are not finished, and the check asks for them: finish the study first")
    if manifest.facts["uncommitted"]:
        lines.append(
            "some rounds were made by code with uncommitted changes, which alseg bundle check --strict refuses"
        )
    if not manifest.declared:
        lines.append(f"nothing is said about tuning, which --strict asks for: {WAYS}")
    return lines
