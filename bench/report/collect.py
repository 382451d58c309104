"""From run folders to one long table: the only place where reports read files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alseg_core.errors import ResultsError
from alseg_core.results import RunFolder

SETTING = ["dataset", "annotation", "schedule"]
"""What runs must share to be compared with one another."""
SCORES = [*SETTING, "recipe", "seed", "key", "round", "budget", "labelled", "fraction", "cost", "metric", "value"]
VOLUMES = [*SETTING, "recipe", "seed", "key", "round", "budget", "labelled", "case", "dice"]
SECONDS = [*SETTING, "recipe", "seed", "key", "round", "part", "seconds"]


@dataclass(frozen=True, eq=False)
class Results:
    """Everything a study has found so far.

    scores: one row a run, round and metric, columns :data:`SCORES`; metrics are those of the rounds' summaries (Dice
    and NSD in 0..1, distances in mm), undefined ones left out. volumes: one row a run, round and test volume, columns
    :data:`VOLUMES`; dice is the mean over the volume's classes. seconds: one row a run, round and part of the round
    (select, train, ...), columns :data:`SECONDS`. recipes: in the study's order. failed: run -> reason. unfinished:
    runs with rounds still to do that have not failed. weights: recipe -> what its encoder started from. sources: name
    of a dataset or recipe -> what to cite. origins: (dataset, annotation) -> where its labels come from, such as
    "simulated", where there are several ways. peak_mb: most memory that a process of the runs was resident in.
    """

    name: str
    scores: pd.DataFrame
    volumes: pd.DataFrame
    seconds: pd.DataFrame
    recipes: list[str]
    failed: dict[str, str]
    unfinished: list[str]
    weights: dict[str, str]
    sources: dict[str, str]
    origins: dict[tuple[str, str], str]
    peak_mb: int | None = None


def collect(study: Path) -> Results:
    """Read the runs that ``study``/study.json lists. Raises ResultsError when there is no study."""
    index = study / "study.json"
    if not index.exists():
        raise ResultsError(
            f"{study} is no study folder: study.json is missing. Studies lie at OUT/<name of the study>."
        )
    content = json.loads(index.read_text())
    scores: list[dict[str, Any]] = []
    volumes: list[dict[str, Any]] = []
    seconds: list[dict[str, Any]] = []
    weights: dict[str, str] = {}
    origins: dict[tuple[str, str], str] = {}
    peak: int | None = None
    failed: dict[str, str] = {}
    unfinished: list[str] = []
    for run in content["runs"]:
        folder = RunFolder(study / "runs" / run["key"])
        done = 0
        for record in folder.records():
            done += 1
            who = {**{name: run[name] for name in (*SETTING, "recipe", "seed", "key")}, "round": record.round,
                   "budget": budget_text(run["budgets"][record.round]), "labelled": record.labelled}  # fmt: skip
            amounts = {"fraction": record.fraction, "cost": record.cost}
            measured = {**record.summary, "cover_radius": record.cover_radius}
            scores += [{**who, **amounts, "metric": m, "value": v} for m, v in measured.items() if v is not None]
            volumes += [{**who, "case": case, "dice": dice} for case, dice in _volume_dice(record.volumes)]
            seconds += [{**who, "part": part, "seconds": value} for part, value in record.seconds.items()]
            peak = max(peak or 0, record.peak_mb) if record.peak_mb is not None else peak
            if origin := record.signals.get("labels"):
                origins[run["dataset"], run["annotation"]] = str(origin)
            if "init" in record.signals:
                weights[run["recipe"]] = str(record.signals["init"])
        if done < len(run["budgets"]):
            reason = folder.failure()
            if reason is None:
                unfinished.append(run["key"])
            else:
                failed[run["key"]] = reason
    recipes = list(dict.fromkeys(run["recipe"] for run in content["runs"]))
    return Results(
        name=content["name"],
        scores=pd.DataFrame(scores, columns=SCORES),
        volumes=pd.DataFrame(volumes, columns=VOLUMES),
        seconds=pd.DataFrame(seconds, columns=SECONDS),
        recipes=recipes,
        failed=failed,
        unfinished=unfinished,
        weights=weights,
        sources=content.get("sources", {}),
        origins=origins,
        peak_mb=peak,
    )


def budget_text(budget: int | float) -> str:
    """A share as percent, a number of slices as it is."""
    return f"{100 * budget:.4g} %" if isinstance(budget, float) else str(budget)


def _volume_dice(rows: Iterable[dict[str, Any]]) -> list[tuple[str, float]]:
    """(case, mean Dice over its classes) of a round's rows; volumes without a defined class are left out."""
    by_case: dict[str, list[float]] = {}
    for row in rows:
        if row["dice"] is not None and not math.isnan(row["dice"]):
            by_case.setdefault(row["case"], []).append(row["dice"])
    return [(case, sum(values) / len(values)) for case, values in by_case.items()]
