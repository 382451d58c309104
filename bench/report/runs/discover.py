"""Finding runs in folders: studies, folders of studies, run folders copied from a cluster."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from alseg_core.errors import ResultsError
from alseg_core.intact import mapping_of
from alseg_core.metrics.metric import Metric
from alseg_core.results import RunFolder
from alseg_core.visible import visible
from alseg_core.vocabulary import RoundRecord
from bench.report.runs.schema import check, listed
from bench.study import foreign
from bench.study.controls import Controls
from bench.study.identity import RunIdentity
from bench.study.primary import Primary
from bench.study.rerun import harmless

NO_RESULTS = ("store", "ray", "report")
"""Folders beside the runs that contain no runs."""
REASON = 1000
"""Characters of a failure's reason that are kept."""


@dataclass(frozen=True, eq=False)
class Run:
    """One run, as described by its folder and its study."""

    study: str
    """Name of the study, or of the folder without one."""
    home: Path
    """Folder of the study."""
    folder: Path
    """Folder of the run."""
    key: str
    """Name of the run."""
    setting: tuple[str, str, str]
    """(dataset, annotation, schedule)."""
    recipe: str
    """Name of the recipe."""
    seed: int
    """Root seed."""
    budgets: tuple[int | float, ...]
    """Cumulative budgets of all rounds."""
    controls: Controls | None = None
    """What its study knows of some recipes; None if it declares nothing."""
    primary: Primary | None = None
    """Primary comparison that its study declares; None if it declares none."""
    command: str | None = None
    """Command that starts its study again with other seeds (``bench.study.rerun``); None if it is not recorded."""
    config: Mapping[str, Any] | None = None
    """Configuration as plain data; None for a run that never started."""
    data_key: str | None = None
    """Key of the prepared data; None for a run that never started."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Content of environment.json; empty if it is not recorded."""
    records: tuple[RoundRecord, ...] = ()
    """Finished rounds."""
    failure: str | None = None
    """Why the run failed last, or None."""

    @cached_property
    def identity(self) -> RunIdentity | None:
        """Facts of the configuration; None for a run that never started."""
        return None if self.config is None else RunIdentity.read(self.config)

    @property
    def metrics(self) -> dict[str, Metric]:
        """Name -> metric that the run records besides the built-in ones."""
        known = {field.name for field in dataclasses.fields(Metric)}
        described = self.environment.get("metrics", ())
        found = [Metric(**{key: value for key, value in facts.items() if key in known}) for facts in described]
        return {metric.name: metric for metric in found}

    @property
    def finished(self) -> bool:
        """Whether all rounds are done."""
        return len(self.records) == len(self.budgets)

    @property
    def state(self) -> str:
        """ "finished", "failed" or "unfinished"."""
        return "finished" if self.finished else "unfinished" if self.failure is None else "failed"


@dataclass(frozen=True, eq=False)
class Found:
    """Everything found below some folders."""

    studies: list[str] = field(default_factory=list)
    """Names of the studies."""
    runs: list[Run] = field(default_factory=list)
    """Runs in the order of the folders and their studies."""
    sources: dict[str, str] = field(default_factory=dict)
    """Name of a dataset or recipe -> what to cite."""
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
        below[:] = sorted(name for name in below if name not in NO_RESULTS and not name.startswith("."))
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
    except (ResultsError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        found.problems.append(
            f"{folder / 'study.json'} is damaged ({_short(error)}); the run folders beside it are used without it."
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
        run = _read(place, {"study": name, "home": folder, **shared, **facts}, found.problems)
        if run is not None:
            found.runs.append(run)
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
        problems.append(f"{place / 'config.json'} is damaged or not that of a run ({_short(error)}); left out.")
        return None
    return _read(place, facts, problems)


def _read(place: Path, facts: Mapping[str, Any], problems: list[str]) -> Run | None:
    """Read the run in ``place``; None, and a problem, if its files are damaged."""
    try:
        foreign.check_folder(place)
        content = foreign.mapping(place / "config.json")
        records = _records(place)
        if len(records) > len(facts["budgets"]):
            raise ResultsError(f"{len(records)} rounds for {len(facts['budgets'])} budgets")
        environment = foreign.mapping(place / "environment.json")
        failure = foreign.mapping(place / "failure.json")
        check(content.get("config"), environment, records)
        run = Run(
            **facts,
            folder=place,
            config=content["config"] if content else None,
            data_key=str(content["data_key"]) if content else None,
            environment=environment,
            records=records,
            failure=visible(str(failure["reason"]), REASON) if failure else None,
        )
        _ = run.identity, run.metrics  # whether they can be read shows here
        return run
    except (ResultsError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problems.append(f"run {place} is damaged ({_short(error)}); left out.")
        return Run(**facts, folder=place, failure=f"its folder is damaged: {_short(error)}")


def _records(place: Path) -> tuple[RoundRecord, ...]:
    """Return the finished rounds of a run as plain data."""
    try:
        return tuple(dataclasses.replace(one, **foreign.plain(vars(one))) for one in RunFolder(place).records())
    except RecursionError:
        raise ResultsError("rounds.jsonl is nested too deeply") from None


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
