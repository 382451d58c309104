"""Long tables of everything in the run folders, which the rest of the report works on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from alseg_core.embed.embedder import CPU_SECONDS
from alseg_core.metrics.means import mean_score, volume_means
from alseg_core.metrics.metric import DICE, METRICS, Metric
from alseg_core.visible import visible
from alseg_core.vocabulary import RoundRecord
from bench.report.runs.cases import CASES, cases
from bench.report.runs.columns import CHOICE, EMPTY_OF, RUNS, SCORES, SECONDS, STRUCTURES, VOLUME_DICE
from bench.report.runs.compatibility import separate
from bench.report.runs.discover import Found, find
from bench.report.runs.embeddings import EMBEDDINGS, embeddings
from bench.report.runs.history import made, summaries
from bench.report.runs.planned import commands, primaries
from bench.report.runs.provenance import Savings, by_setting, facts, savings, scored_on, warnings
from bench.report.runs.run import Run
from bench.report.setting import Setting
from bench.study.controls import Controls
from bench.study.primary import Primary


@dataclass(frozen=True, eq=False)
class Results:
    """Everything found in the folders, as long tables."""

    name: str
    """Names of the studies."""
    scores: pd.DataFrame
    """One row per run, round and metric of the round's summary, cover_radius and :data:`EMPTY_OF`; columns
    :data:`SCORES`."""
    volume_dice: pd.DataFrame
    """One row per run, round and test volume with the mean Dice over its classes; columns :data:`VOLUME_DICE`."""
    seconds: pd.DataFrame
    """One row per run, round and part of the round (select, train, ...); columns :data:`SECONDS`."""
    recipes: list[str]
    """Names of the recipes, in the studies' order."""
    failed: dict[str, str]
    """Run -> why it failed."""
    unfinished: list[str]
    """Runs that have rounds left and have not failed."""
    weights: dict[str, str]
    """Recipe -> weights that its encoder started from."""
    sources: dict[str, str]
    """Name of a dataset or recipe -> what to cite."""
    origins: dict[tuple[str, str], str]
    """(dataset, annotation) -> where its labels come from, such as "simulated", if there are several ways."""
    peak_mb: int | None = None
    """Peak resident memory of a process of the runs, in MB; None if unknown."""
    structures: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=STRUCTURES))
    """One row per run, round, test volume and class; columns :data:`STRUCTURES`."""
    runs: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=RUNS))
    """One row per run of the studies, started or not; columns :data:`RUNS`."""
    folders: dict[str, Path] = field(default_factory=dict)
    """Run -> its folder."""
    metrics: dict[str, Metric] = field(default_factory=lambda: dict(METRICS))
    """Name -> metric recorded by the runs."""
    facts: dict[Setting, dict[str, str]] = field(default_factory=dict)
    """Setting -> label -> text: how its numbers were made."""
    scored: dict[Setting, str] = field(default_factory=dict)
    """Setting -> "test" or "val", the volumes it was scored on."""
    controls: dict[Setting, Controls] = field(default_factory=dict)
    """Setting -> what its studies know of some recipes, where they declare it and agree."""
    primary: dict[Setting, Primary | None] = field(default_factory=dict)
    """Setting -> the comparison whose tests are planned, None if there is none."""
    commands: dict[Setting, list[str]] = field(default_factory=dict)
    """Setting -> commands that start its studies again with other seeds (``bench.study.rerun``)."""
    savings: Savings | None = None
    """Work that runs shared."""
    warnings: list[str] = field(default_factory=list)
    """What a reader must know before trusting a number."""
    made: tuple[datetime, datetime] | None = None
    """Beginning of the first round and end of the last one, in UTC; None if that is not recorded."""
    summaries: dict[str, str] = field(default_factory=dict)
    """Recipe -> what it does in a line, "" if that is not known."""
    cases: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=CASES))
    """One row per volume of each split; columns :data:`bench.report.runs.cases.CASES`."""
    notes: list[str] = field(default_factory=list)
    """Runs that were kept apart or left out in merging, and why."""
    embeddings: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=EMBEDDINGS))
    """One row per run and embedding; columns :data:`bench.report.runs.embeddings.EMBEDDINGS`."""
    problems: list[str] = field(default_factory=list)
    """Folders that could not be read, and why."""
    own: bool = False
    """Whether the folders are known to be the user's own, and do not come from elsewhere."""


def collect(folders: Path | Sequence[Path], links: bool = False) -> Results:
    """Read and merge the runs of study folders, folders of studies, or folders with run folders below them.

    Runs that must not be averaged are kept apart (:func:`bench.report.runs.compatibility.separate`). Folders that
    cannot be read are listed in ``problems``. links: see :func:`bench.report.runs.discover.find`. Raises ResultsError
    if there is no run at all.
    """
    return merged(find([folders] if isinstance(folders, Path) else folders, links), own=links)


def merged(found: Found, own: bool = False) -> Results:
    """Return the tables of what was found. own: whether the folders are known to be the user's own."""
    runs, notes = separate(found.runs)
    settings = by_setting(runs)
    primary, disagreements = primaries(settings)
    metrics = {**METRICS, **{name: metric for run in runs for name, metric in run.metrics.items()}}
    rows = _Rows(metrics)
    weights: dict[str, str] = {}
    origins: dict[tuple[str, str], str] = {}
    peaks: list[int] = []
    for run in runs:
        validation = 0.0
        for record in run.records:
            validation += _validation_cost(record)
            rows.add(run, record, validation)
            if record.peak_mb is not None:
                peaks.append(record.peak_mb)
            if origin := record.signals.get("labels"):
                origins[run.setting[0], run.setting[1]] = str(origin)
            if "init" in record.signals:
                weights[run.recipe] = str(record.signals["init"])
    return Results(
        name=" + ".join(found.studies),
        scores=rows.scores.frame(),
        volume_dice=rows.volumes.frame(),
        seconds=rows.seconds.frame(),
        recipes=list(dict.fromkeys(run.recipe for run in runs)),
        failed={run.key: str(run.failure) for run in runs if run.state == "failed"},
        unfinished=[run.key for run in runs if run.state == "unfinished"],
        weights=weights,
        sources=found.sources,
        origins=origins,
        peak_mb=max(peaks, default=None),
        structures=rows.structures.frame(),
        runs=pd.DataFrame([_row(run) for run in runs], columns=RUNS),
        folders={run.key: run.folder for run in runs},
        metrics=metrics,
        facts={setting: facts(own) for setting, own in settings.items()},
        scored={setting: scored_on(own) for setting, own in settings.items()},
        controls=_controls(runs),
        primary=primary,
        commands=commands(settings),
        savings=savings(runs),
        warnings=warnings(runs),
        made=made(runs),
        summaries=summaries(runs, found.summaries),
        cases=cases(runs),
        notes=[*notes, *disagreements],
        embeddings=embeddings(runs),
        problems=[visible(line) for line in found.problems],
        own=own,
    )


def _controls(runs: Sequence[Run]) -> dict[Setting, Controls]:
    """Return setting -> the controls that its studies declare, if they declare the same."""
    declared = {
        setting: {run.controls for run in own if run.controls is not None} for setting, own in by_setting(runs).items()
    }
    return {setting: found.pop() for setting, found in declared.items() if len(found) == 1}


class _Table:
    """A long table that grows by rows and is held by columns, which takes a third of the memory."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in columns}

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        if columns := list(zip(*rows, strict=True)):
            for column, values in zip(self._columns.values(), columns, strict=True):
                column.extend(values)

    def frame(self) -> pd.DataFrame:
        """Return the table, and let go of its rows."""
        names = list(self._columns)
        return pd.DataFrame({name: pd.Series(self._columns.pop(name)) for name in names})


class _Rows:
    """Rows of the long tables, gathered round by round."""

    def __init__(self, metrics: dict[str, Metric]) -> None:
        self.metrics = metrics
        self.scores = _Table(SCORES)
        self.volumes = _Table(VOLUME_DICE)
        self.structures = _Table([*STRUCTURES[:-1], *list(metrics)[len(METRICS) :], STRUCTURES[-1]])
        self.seconds = _Table(SECONDS)

    def add(self, run: Run, record: RoundRecord, validation: float) -> None:
        """Add the rows of one round. validation: cost of the validation masks so far."""
        who = (*run.setting, run.recipe, run.seed, run.key)
        pixels = (_number(record.marked), _number(record.foreground))
        minutes = (_number(record.minutes), _number(record.validation_minutes))
        bought = (record.labelled, record.fraction, record.cost, *pixels, validation, *minutes)
        at = (*who, record.round, budget_text(run.budgets[record.round]), *bought)
        # older runs counted empty structures as the diagonal of their volume
        anew = {name: mean_score(record.volumes, metric) for name, metric in self.metrics.items() if metric.skips_empty}
        own = {"cover_radius": record.cover_radius, EMPTY_OF: float(len(record.volumes))}
        measured = {**record.summary, **anew, **own}
        self.scores.add((*at, metric, value) for metric, value in measured.items() if value is not None)
        patients = {row["case"]: row.get("patient") for row in record.volumes}
        self.volumes.add((*at, case, patients[case], dice) for case, dice in _volume_dice(record))
        self.structures.add((*at, *self._structure(row, patients[row["case"]])) for row in record.volumes)
        self.seconds.add(
            (*who, record.round, part, value, _cpu(record, part)) for part, value in record.seconds.items()
        )

    def _structure(self, row: Mapping[str, Any], patient: object) -> tuple[Any, ...]:
        measures = (_number(row.get(metric)) for metric in self.metrics)
        return row["case"], patient, row["class"], *measures, row.get("empty", "")


def budget_text(budget: int | float) -> str:
    """Return a share as percent, a number of slices unchanged."""
    return f"{100 * budget:.4g} %" if isinstance(budget, float) else str(budget)


def _number(value: object) -> float:
    return math.nan if value is None else float(str(value))


def _validation_cost(record: RoundRecord) -> float:
    """Return what the validation masks read in a round cost, NaN without a ledger."""
    if not record.ledger:
        return math.nan
    return sum(float(str(entry["cost"])) for entry in record.ledger if entry["what"] == "validation masks")


def _cpu(record: RoundRecord, part: str) -> float:
    """Return the CPU time of a part of a round; 0 of an embedding in a round without one, NaN where it is not known."""
    if part == "embed" and "encoder" in record.signals and CPU_SECONDS not in record.signals:
        return math.nan  # it was read from the store, which does not know what making it took
    return record.cpu_seconds.get(part, 0.0) if part in CHOICE and record.cpu_seconds else math.nan


def _row(run: Run) -> tuple[Any, ...]:
    progress = (len(run.records), len(run.budgets), run.state, run.failure or "")
    return (*run.setting, run.recipe, run.seed, run.key, run.study, *progress)


def _volume_dice(record: RoundRecord) -> list[tuple[str, float]]:
    """Return (case, mean Dice over its classes) of a round; volumes without a defined class are left out."""
    means = volume_means(record.volumes, DICE.name)
    return [(case, mean) for case, mean in means.items() if mean is not None]
