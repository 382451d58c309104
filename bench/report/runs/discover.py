"""Finding runs in folders: studies, folders of studies, run folders copied from a cluster."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alseg_core.errors import ResultsError
from alseg_core.visible import visible
from bench.report.runs.reading import read, short
from bench.report.runs.run import Run
from bench.report.runs.schema import listed
from bench.study import foreign
from bench.study.controls import Controls
from bench.study.identity import RunIdentity
from bench.study.primary import Primary
from bench.study.rerun import harmless
from bench.study.reserved import holds_no_results

DEPTH = 50
"""How many levels of folders are searched."""
SUMMARY = 300
"""Characters of a recipe's summary that are kept."""


@dataclass(frozen=True, eq=False)
class Found:
    """Everything found below some folders."""

    studies: list[str] = field(default_factory=list)
    """Names of the studies."""
    runs: list[Run] = field(default_factory=list)
    """Runs in the order of the folders and their studies."""
    sources: dict[str, str] = field(default_factory=dict)
    """Name of a dataset or recipe -> what to cite."""
    summaries: dict[str, str] = field(default_factory=dict)
    """Name of a recipe -> what it does in a line."""
    problems: list[str] = field(default_factory=list)
    """One line per folder that could not be read."""


def find(folders: Sequence[Path], links: bool = False) -> Found:
    """Find every run below ``folders``, in the order of the folders and their studies.

    If a folder has a study.json, its runs are those listed there, so that runs that never started are counted;
    otherwise they are the folders with a config.json. Files are read with care (``bench.study.foreign``): the folders
    may come from elsewhere. links: whether listed runs may lie outside the folders, behind symbolic links. Raises
    ResultsError if there is no run at all.
    """
    found = Found()
    roots = None if links else folders
    for folder in folders:
        before = len(found.runs)
        _search(folder, roots, found)
        if len(found.runs) == before:
            found.problems.append(
                f"{folder}: no results found, neither a study (study.json is missing) nor run folders (config.json). "
                "The results of a study are in OUT/<name of the study>."
            )
    if not found.runs:
        raise ResultsError(" ".join(found.problems) or "no folder of results was given.")
    return found


def _search(folder: Path, roots: Sequence[Path] | None, found: Found) -> None:
    loose: list[Path] = []

    def unreadable(error: OSError) -> None:
        if Path(error.filename) != folder or folder.exists():
            found.problems.append(f"{error.filename} cannot be read ({error.strerror}); left out.")

    for path, below, files in os.walk(folder, onerror=unreadable):
        place = Path(path)
        below[:] = sorted(name for name in below if not holds_no_results(name))
        if below and len(place.parts) - len(folder.parts) >= DEPTH:
            found.problems.append(f"{place} lies {DEPTH} folders deep; what is in its folders is left out.")
            below[:] = []
        if "study.json" in files and _study(place, roots, found):
            below[:] = []
        elif "config.json" in files:
            below[:] = []
            loose.append(place)
        elif "rounds.jsonl" in files:
            below[:] = []
            found.problems.append(f"{place} has rounds but no config.json that says whose they are; left out.")
    for place in sorted(loose):
        name = visible(place.parent.parent.name if place.parent.name == "runs" else place.parent.name)
        if (run := _loose(place, name, found.problems)) is not None:
            _name(name, found)
            found.runs.append(run)


def _name(study: str, found: Found) -> None:
    if study not in found.studies:
        found.studies.append(study)


def _study(folder: Path, roots: Sequence[Path] | None, found: Found) -> bool:
    """Add the runs listed in the folder's study.json; return False if it cannot be read."""
    try:
        content = foreign.mapping(folder / "study.json")
        name, runs = str(content["name"]), listed(content["runs"])
        known, declared, command = content.get("controls"), content.get("primary"), content.get("command")
        shared = {
            "controls": None if known is None else Controls(**known),
            "primary": None if declared is None else Primary(**declared),
            "command": command if command is None or harmless(command) else None,
        }
        found.sources.update({str(what): str(text) for what, text in content.get("sources", {}).items()})
        described = content.get("recipes", {})
        found.summaries.update({str(recipe): visible(str(text), SUMMARY) for recipe, text in described.items()})
    except (ResultsError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        found.problems.append(
            f"{folder / 'study.json'} is damaged ({short(error)}); the run folders beside it are used without it."
        )
        return False
    if command is not None and shared["command"] is None:
        found.problems.append(f"{folder / 'study.json'} records a command that is none of alseg; it is not shown.")
    _name(name, found)
    for facts in runs:
        place = folder / "runs" / facts["key"]
        if roots is not None and not foreign.within(place, roots):
            found.problems.append(
                f"run {place} is a link to {foreign.real(place)}; left out. Name that folder to have it."
            )
            continue
        found.runs.append(read(place, {"study": name, "home": folder, **shared, **facts}, found.problems))
    return True


def _loose(place: Path, study: str, problems: list[str]) -> Run | None:
    """Read a run folder outside a study by its configuration; None, and a problem, if it is no run folder."""
    try:
        run = RunIdentity.read(foreign.mapping(place / "config.json")["config"])
        facts = {
            "study": study,
            "home": place.parent,
            "key": visible(place.name),
            "setting": run.setting,
            "recipe": run.recipe,
            "seed": run.seed,
            "budgets": run.budgets,
        }
    except (ResultsError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problems.append(f"{place / 'config.json'} is damaged or not that of a run ({short(error)}); left out.")
        return None
    return read(place, facts, problems)
