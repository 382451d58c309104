"""One side of a comparison: a study as its bundle would hold it, so that folders and bundles can be compared."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from bench.bundle.pack import private_of
from bench.bundle.private import Private
from bench.report.runs.compatibility import separate
from bench.report.runs.discover import find
from bench.report.runs.results import Results, merged
from bench.report.runs.run import Run


@dataclass(frozen=True, eq=False)
class Side:
    """The runs of one side, with pseudonyms of cases and patients and without folders of a machine."""

    path: Path
    """What was named: a folder or a bundle."""
    runs: tuple[Run, ...]
    """Runs, started or not, under names under which they may be averaged."""
    results: Results
    """Their tables."""

    @classmethod
    def read(cls, path: Path, folder: Path) -> Side:
        """Read the results in ``folder``, which is ``path`` or what it holds. Raises ResultsError if there are none."""
        found = find([folder])
        private = private_of(folder, found.runs)
        runs, notes = separate([_packed(run, private) for run in found.runs])
        results = merged(dataclasses.replace(found, runs=runs))
        problems = [line.replace(f"{folder}/", "") for line in results.problems]
        return cls(path, tuple(runs), dataclasses.replace(results, notes=[*notes, *results.notes], problems=problems))


def _packed(run: Run, private: Private) -> Run:
    """Return a run as a bundle holds it."""
    return dataclasses.replace(
        run,
        config=None if run.config is None else private.config(run.config),
        environment=private.environment(run.environment),
        records=tuple(private.record(record, record.files) for record in run.records),
    )
