"""The small arrays that a run leaves for figures: examples.npz, selected.npz, embedding.npz."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from alseg_core.errors import ResultsError
from alseg_core.results import RunFolder
from bench.report.runs.results import Results
from bench.report.setting import Scope, rows_of
from bench.study.arrays import load
from bench.study.identity import RunIdentity

Arrays = dict[str, NDArray[Any]]


def first_runs(results: Results, setting: Scope) -> dict[str, str]:
    """Return recipe -> key of its run with the first seed that has finished rounds."""
    runs = (
        rows_of(results.scores, setting)[["recipe", "seed", "key"]].drop_duplicates().sort_values("seed", kind="stable")
    )
    return dict(reversed([(str(r), str(k)) for r, _, k in runs.itertuples(index=False, name=None)]))


def arrays(results: Results, setting: Scope, name: str, wanted: tuple[str, ...]) -> dict[str, Arrays]:
    """Return recipe -> content of NAME.npz of its first run, for recipes that have one of the current form.

    Raises ResultsError for a file that is damaged.
    """
    found: dict[str, Arrays] = {}
    for recipe, key in first_runs(results, setting).items():
        path = results.folders[key] / f"{name}.npz" if key in results.folders else None
        if path is None or not (path.is_symlink() or path.exists()):
            continue
        content, folder = load(path, wanted), RunFolder(path.parent)
        if fault := folder.fault(path.name, folder.records()):
            raise ResultsError(f"{folder.path}: {fault}; delete it to have the report without it.")
        if content is not None:
            found[recipe] = content
    return found


def identity(results: Results, setting: Scope) -> RunIdentity | None:
    """Return the identity of the first run of a setting that has a configuration."""
    folders = (results.folders.get(key) for key in first_runs(results, setting).values())
    known = (RunIdentity.of_folder(folder) for folder in folders if folder is not None)
    return next((run for run in known if run is not None), None)


def classes(results: Results, setting: Scope) -> list[str]:
    """Return the names of the foreground classes; none if no run has its configuration."""
    run = identity(results, setting)
    return [] if run is None else list(run.classes[1:])
