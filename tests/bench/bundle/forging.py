"""A bundle taken apart, changed, and packed again with every checksum and fingerprint as a forger would have it."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alseg_core.evaluate import summarise
from alseg_core.intact import seal
from alseg_core.rounds import Rounds
from alseg_core.vocabulary import RoundRecord
from bench.bundle import archive
from bench.bundle.facts import facts
from bench.bundle.fingerprint import fingerprint_of
from bench.bundle.manifest import RunNote
from bench.report.runs.discover import find


@dataclasses.dataclass
class ForgedRun:
    """The files of one run, to be changed."""

    key: str
    identity: dict[str, Any]
    """Content of config.json."""
    environment: dict[str, Any]
    rounds: list[dict[str, Any]]
    """Fields of the records."""
    note: dict[str, Any]
    """What bundle.json says of it."""
    failure: str | None = None

    @property
    def config(self) -> dict[str, Any]:
        return self.identity["config"]

    @property
    def cases(self) -> dict[str, list[str]]:
        return self.environment["data"]["cases"]

    def average(self) -> None:
        """Make the means of all rounds again."""
        for record in self.rounds:
            means = summarise(record["volumes"], self.config["dataset"]["classes"])
            record["summary"] = {**record["summary"], **means}


@dataclasses.dataclass
class Forged:
    """The content of a bundle."""

    study: dict[str, Any]
    manifest: dict[str, Any]
    runs: list[ForgedRun]

    def run(self, recipe: str, seed: int) -> ForgedRun:
        return next(run for run in self.runs if (self.entry(run)["recipe"], self.entry(run)["seed"]) == (recipe, seed))

    def of(self, recipe: str) -> list[ForgedRun]:
        return [run for run in self.runs if self.entry(run)["recipe"] == recipe]

    def entry(self, run: ForgedRun) -> dict[str, Any]:
        return next(entry for entry in self.study["runs"] if entry["key"] == run.key)

    def drop(self, run: ForgedRun) -> None:
        self.study["runs"].remove(self.entry(run))
        self.runs.remove(run)

    def identify(self, run: ForgedRun, training: dict[str, Any] | None = None) -> None:
        """Give a run the fingerprint of its changed configuration, everywhere. training: with weights by content."""
        entry, config = self.entry(run), run.config
        run.note["training"] = config["train"] if training is None else training
        fingerprint = fingerprint_of(config, RunNote(**run.note))
        run.key = f"{run.key.rpartition('-')[0].rpartition('-')[0]}-s{config['seed']}-{fingerprint[:8]}"
        entry |= {"key": run.key, "seed": config["seed"], "budgets": config["budgets"]}
        run.identity["fingerprint"] = fingerprint
        for record in run.rounds:
            record |= {"fingerprint": fingerprint, "seed": config["seed"], "data_key": run.identity["data_key"]}


def forge(honest: Path, target: Path, change: Callable[[Forged], None], made_again: bool = True) -> Path:
    """Write a changed copy of a bundle. made_again: whether its facts are those of the changed runs."""
    forged = _taken_apart(honest)
    change(forged)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "study.json").write_text(json.dumps(forged.study))
        for run in forged.runs:
            _write(run, folder / "runs" / run.key)
        files = {str(p.relative_to(folder)): seal(p) for p in sorted(folder.rglob("*")) if p.is_file()}
        forged.manifest |= {"files": files, "runs": {run.key: run.note for run in forged.runs}}
        if made_again:
            forged.manifest["facts"] = facts(folder, find([folder]).runs)
        (folder / archive.MANIFEST).write_text(json.dumps(forged.manifest))
        archive.write(folder, target)
    return target


def _taken_apart(path: Path) -> Forged:
    with archive.unpacked(path) as folder:
        study, manifest = (json.loads((folder / name).read_text()) for name in ("study.json", archive.MANIFEST))
        runs = [_run(folder / "runs" / entry["key"], manifest["runs"][entry["key"]]) for entry in study["runs"]]
    return Forged(study, manifest, runs)


def _run(place: Path, note: dict[str, Any]) -> ForgedRun:
    identity, environment = (json.loads((place / f"{name}.json").read_text()) for name in ("config", "environment"))
    rounds = [json.loads(line) for line in (place / "rounds.jsonl").read_text().splitlines()]
    for record in rounds:
        del record["check"]
    return ForgedRun(place.name, identity, environment, rounds, note)


def _write(run: ForgedRun, place: Path) -> None:
    place.mkdir(parents=True)
    (place / "config.json").write_text(json.dumps(run.identity))
    (place / "environment.json").write_text(json.dumps(run.environment))
    files = {name: seal(place / name) for name in ("config.json", "environment.json")}
    rounds = Rounds()
    for record in run.rounds:
        rounds = rounds.with_record(RoundRecord(**{**record, "files": files}))
    if run.rounds:
        (place / "rounds.jsonl").write_text(rounds.text)
    if run.failure is not None:
        (place / "failure.json").write_text(json.dumps({"reason": run.failure}))
