"""A bundle as the leaderboard sees it: its check, what it declares, and its methods setting by setting."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alseg_core.intact import seal
from alseg_core.registry import describe
from bench.bundle.check import check
from bench.bundle.checks import STRICT
from bench.bundle.opened import Bundle, opened
from bench.bundle.private import without_paths
from bench.leaderboard.declared import declared
from bench.leaderboard.rows import Row, rows
from bench.report.analysis import Analysis, analyse
from bench.report.runs.compatibility import Signature
from bench.report.runs.provenance import own_splits
from bench.report.runs.results import Results, collect
from bench.report.runs.run import Run
from bench.report.setting import rows_of
from bench.report.tables import Panel, panels
from bench.study.family import family, short

OTHER = "Other"
"""Family of a method that this version cannot load, such as one with code of its author."""
LAYOUT = "the page"
"""What a bundle fails that passes all checks and cannot be shown."""
ROUNDS = "rounds.jsonl"
"""Member of a run with its rounds."""


@dataclass(frozen=True, eq=False)
class Part:
    """One setting of a bundle."""

    panel: Panel
    """Its main table, as a report has it."""
    facts: dict[str, str]
    """Label -> text: how its numbers were made."""
    runs: tuple[Run, ...]
    """Its runs without their rounds, one for each way of making them: they decide what it may stand beside."""
    rows: list[Row]
    """Its methods."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One bundle."""

    name: str
    """Path below the folder of the leaderboard, without the ending."""
    path: Path
    """Its file."""
    seal: str
    """Size and SHA-256 of the file; "" of a bundle that failed."""
    checks: dict[str, dict[str, Any]]
    """Check -> {"passed", "problems", "notes"}, those of ``--strict`` too."""
    parts: tuple[Part, ...] = ()
    """Its settings; none of a bundle that failed."""
    about: tuple[tuple[str, str], ...] = ()
    """(label, text): who made it with what, and what it declares."""
    warnings: tuple[str, ...] = ()
    """What a reader must know before trusting a number."""
    rounds: frozenset[str] = frozenset()
    """Sizes and checksums of its runs' rounds."""

    @property
    def passed(self) -> bool:
        """Whether it passes the ordinary check."""
        return all(found["passed"] for name, found in self.checks.items() if name not in STRICT)

    @property
    def strict(self) -> bool:
        """Whether it passes the check of ``--strict`` too."""
        return all(found["passed"] for found in self.checks.values())

    @property
    def standing(self) -> str:
        """ "strict", "passed" or "failed"."""
        return "strict" if self.strict else "passed" if self.passed else "failed"

    def failed(self, reason: str) -> Entry:
        """Return the bundle as one that failed for a reason that no check found."""
        problem = {"passed": False, "problems": [reason], "notes": []}
        return Entry(self.name, self.path, "", {**self.checks, LAYOUT: problem})


def read(path: Path, name: str) -> Entry:
    """Check and read a bundle; one that fails, or cannot be read after all, has no parts and its reason."""
    entry = Entry(name, path, "", {})
    if not path.is_file():
        return entry.failed("it is no file, or a link that leads to none")
    try:
        entry = dataclasses.replace(entry, checks=_checks(path))
        return _opened(entry) if entry.passed else entry
    except Exception as error:  # a stranger's files can fail anywhere, and take no other bundle with them
        return entry.failed(reason(error))


def reason(error: Exception) -> str:
    """Return why a bundle cannot be shown; without folders, which differ from machine to machine."""
    text = error.strerror if isinstance(error, OSError) else str(error)
    return f"it cannot be read or laid out ({type(error).__name__}: {without_paths(str(text))})"


def _opened(entry: Entry) -> Entry:
    """Read a bundle that passes the check."""
    with opened(entry.path) as bundle:
        results = collect(bundle.folder)
        analysis = analyse(results)
        return dataclasses.replace(
            entry,
            seal=seal(entry.path),
            parts=tuple(_parts(bundle, results, analysis, entry)),
            about=tuple(declared(bundle, results, analysis)),
            warnings=tuple(results.warnings),
            rounds=frozenset(text for name, text in bundle.manifest.files.items() if name.endswith(f"/{ROUNDS}")),
        )


def _checks(path: Path) -> dict[str, dict[str, Any]]:
    """Check a bundle; what is found names the file without the folders of this machine."""
    checks: dict[str, dict[str, Any]] = check(path, strict=True).plain()["checks"]
    for found in checks.values():
        for kind in ("problems", "notes"):
            found[kind] = [text.replace(str(path), path.name) for text in found[kind]]
    return checks


def _parts(bundle: Bundle, results: Results, analysis: Analysis, entry: Entry) -> Iterator[Part]:
    families = _families(bundle, results)
    for panel in panels(results, analysis):
        keys = set(rows_of(results.runs, panel.setting)["key"])
        runs = [run for run in bundle.started if run.key in keys]
        yield Part(
            panel,
            results.facts[panel.setting],
            _ways(runs),
            list(rows(results, analysis, panel, (entry.name, entry.strict), families)),
        )


def _ways(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Return the first run of each signature; of each seed where seeds have splits of their own."""
    own = own_splits(runs)
    found: dict[tuple[Signature, int], Run] = {}
    for run in runs:
        found.setdefault((Signature.of(run), run.seed if own else 0), dataclasses.replace(run, records=()))
    return tuple(found.values())


def _families(bundle: Bundle, results: Results) -> dict[str, str]:
    """Return recipe, as the tables name it, -> name of its family."""
    names: dict[str, str] = dict(zip(results.runs["key"], results.runs["recipe"], strict=True))
    found = dict.fromkeys(names.values(), OTHER)
    for key, config in bundle.configs.items():
        if key in names:
            recipe = config.recipe
            embed = None if recipe.embed is None else str(describe(recipe.embed)["name"])
            found[names[key]] = short(family(recipe.strategy, embed))
    return found
