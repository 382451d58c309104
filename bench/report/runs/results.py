"""From run folders to long tables: what the rest of the report works on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from alseg_core.metrics.means import volume_means
from alseg_core.metrics.metric import DICE, METRICS, Metric
from alseg_core.vocabulary import RoundRecord
from bench.report.runs.compatibility import separate
from bench.report.runs.provenance import Savings, by_setting, facts, savings, scored_on, warnings
from bench.report.runs.discover import Run, find
from bench.report.setting import SETTING, Setting

ROUND = [*SETTING, "recipe", "seed", "key", "round", "budget", "labelled", "fraction", "cost", "marked", "foreground"]
SCORES = [*ROUND, "metric", "value"]
VOLUME_DICE = [*ROUND, "case", "patient", "dice"]
STRUCTURES = [*ROUND, "case", "patient", "class", *METRICS, "empty"]
"""Columns of ``Results.structures``; a run's further metrics stand after the built-in ones."""
SECONDS = [*SETTING, "recipe", "seed", "key", "round", "part", "seconds"]
RUNS = [*SETTING, "recipe", "seed", "key", "study", "rounds", "wanted", "state", "reason"]


def _empty(columns: Sequence[str]) -> Any:
    return field(default_factory=lambda: pd.DataFrame(columns=list(columns)))


@dataclass(frozen=True, eq=False)
class Results:
    """Everything that was found in the folders.

    name: of the studies. scores: one row a run, round and metric, columns :data:`SCORES`; metrics are those of the
    rounds' summaries (Dice and NSD in 0..1, distances in mm) and cover_radius, undefined ones left out. volumes: one
    row a run, round and test volume, columns :data:`VOLUME_DICE`; dice is the mean over the volume's classes; patient is
    None where it is not recorded. classes: one row a run, round, test volume and class, columns :data:`STRUCTURES`.
    seconds: one row a run, round and part of the round (select, train, ...), columns :data:`SECONDS`. marked,
    foreground: labelled pixels bought so far and those of them that are foreground, NaN in older runs. runs: one row a
    run that was wanted, columns :data:`RUNS`; wanted counts rounds, state is "finished", "failed" or "unfinished".

    recipes: in the studies' order. failed: run -> reason. unfinished: runs with rounds still to do that have not
    failed. weights: recipe -> what its encoder started from. sources: name of a dataset or recipe -> what to cite.
    origins: (dataset, annotation) -> where its labels come from, such as "simulated", where there are several ways.
    peak_mb: most memory that a process of the runs was resident in. folders: run -> its folder. facts: setting ->
    label -> text, how the numbers were made. scored: setting -> "test" or "val". savings: work that runs shared.
    warnings: what a reader must know. notes: what was kept apart or left out in merging. problems: folders that could
    not be read.
    """

    name: str
    scores: pd.DataFrame
    volume_dice: pd.DataFrame
    seconds: pd.DataFrame
    recipes: list[str]
    failed: dict[str, str]
    unfinished: list[str]
    weights: dict[str, str]
    sources: dict[str, str]
    origins: dict[tuple[str, str], str]
    peak_mb: int | None = None
    structures: pd.DataFrame = _empty(STRUCTURES)
    runs: pd.DataFrame = _empty(RUNS)
    folders: dict[str, Path] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=lambda: dict(METRICS))
    facts: dict[Setting, dict[str, str]] = field(default_factory=dict)
    scored: dict[Setting, str] = field(default_factory=dict)
    savings: Savings | None = None
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def collect(folders: Path | Sequence[Path]) -> Results:
    """Read the runs of study folders, of folders of studies, or of folders with run folders below them; merge them.

    Raises ResultsError when there is no run in any of them. What must not be averaged is kept apart
    (:func:`bench.report.runs.compatibility.separate`); what cannot be read is told in ``problems``, and the rest is reported.
    """
    found = find([folders] if isinstance(folders, Path) else folders)
    runs, notes = separate(found.runs)
    metrics = {**METRICS, **{name: metric for run in runs for name, metric in run.metrics.items()}}
    scores: list[tuple[Any, ...]] = []
    volumes: list[tuple[Any, ...]] = []
    classes: list[tuple[Any, ...]] = []
    seconds: list[tuple[Any, ...]] = []
    weights: dict[str, str] = {}
    origins: dict[tuple[str, str], str] = {}
    peaks: list[int] = []
    for run in runs:
        who = (*run.setting, run.recipe, run.seed, run.key)
        for record in run.records:
            bought = (record.labelled, record.fraction, record.cost, _number(record.marked), _number(record.foreground))
            at = (*who, record.round, budget_text(run.budgets[record.round]), *bought)
            measured = {**record.summary, "cover_radius": record.cover_radius}
            scores += [(*at, metric, value) for metric, value in measured.items() if value is not None]
            patients = {row["case"]: row.get("patient") for row in record.volumes}
            volumes += [(*at, case, patients[case], dice) for case, dice in _volume_dice(record)]
            for row in record.volumes:
                measures = (_number(row.get(metric)) for metric in metrics)
                what = (row["case"], patients[row["case"]], row["class"])
                classes.append((*at, *what, *measures, row.get("empty", "")))
            seconds += [(*who, record.round, part, value) for part, value in record.seconds.items()]
            if record.peak_mb is not None:
                peaks.append(record.peak_mb)
            if origin := record.signals.get("labels"):
                origins[run.setting[0], run.setting[1]] = str(origin)
            if "init" in record.signals:
                weights[run.recipe] = str(record.signals["init"])
    return Results(
        name=" + ".join(found.studies),
        scores=pd.DataFrame(scores, columns=SCORES),
        volume_dice=pd.DataFrame(volumes, columns=VOLUME_DICE),
        seconds=pd.DataFrame(seconds, columns=SECONDS),
        recipes=list(dict.fromkeys(run.recipe for run in runs)),
        failed={run.key: str(run.failure) for run in runs if run.state == "failed"},
        unfinished=[run.key for run in runs if run.state == "unfinished"],
        weights=weights,
        sources=found.sources,
        origins=origins,
        peak_mb=max(peaks, default=None),
        structures=pd.DataFrame(classes, columns=[*STRUCTURES[:-1], *list(metrics)[len(METRICS) :], STRUCTURES[-1]]),
        runs=pd.DataFrame([_row(run) for run in runs], columns=RUNS),
        folders={run.key: run.folder for run in runs},
        metrics=metrics,
        facts={setting: facts(own) for setting, own in by_setting(runs).items()},
        scored={setting: scored_on(own) for setting, own in by_setting(runs).items()},
        savings=savings(runs),
        warnings=warnings(runs),
        notes=notes,
        problems=found.problems,
    )


def budget_text(budget: int | float) -> str:
    """A share as percent, a number of slices as it is."""
    return f"{100 * budget:.4g} %" if isinstance(budget, float) else str(budget)


def _number(value: object) -> float:
    return math.nan if value is None else float(str(value))


def _row(run: Run) -> tuple[Any, ...]:
    progress = (len(run.records), len(run.budgets), run.state, run.failure or "")
    return (*run.setting, run.recipe, run.seed, run.key, run.study, *progress)


def _volume_dice(record: RoundRecord) -> list[tuple[str, float]]:
    """Return (case, mean Dice over its classes) of a round; volumes without a defined class are left out."""
    means = volume_means(record.volumes, DICE.name)
    return [(case, mean) for case, mean in means.items() if mean is not None]
