"""How well forecasts held on finished runs, each round being forecast from the ones before it, and what following the
advice would have cost, beside simple rules.

    python -m tests.bench.project.outlook.replay FOLDER_OR_CSV ... [--threshold 0.01] [--half first|second]
    python -m tests.bench.project.outlook.replay --simulated 240 [--seed 0] [--threshold 0.01]

FOLDER holds run folders, at any depth; CSV is a table of runs with recipe, seed, labelled and dice. The cost of
advice is computed for runs that differ from others in nothing but their seed; --simulated draws that many curves
instead.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from alseg_core.metrics.means import volume_means
from alseg_core.results import RunFolder
from bench.project.outlook import Advice, Outlook, Point, outlook
from bench.project.outlook.curve import PRIOR, Prior
from tests.bench.project.outlook.decisions import RULES, Course, Rule, calls, courses, end
from tests.bench.project.outlook.simulated import simulated


@dataclass(frozen=True)
class Run:
    """A finished run."""

    group: str
    """What it shares with runs of other seeds."""
    points: Sequence[Point]


@dataclass(frozen=True)
class Trial:
    """A forecast and what came."""

    outlook: Outlook
    score: float
    """Score of the next round."""
    rounds: int
    """Rounds that the forecast was made from."""


@dataclass(frozen=True)
class Verdict:
    """How forecasts held."""

    forecasts: int
    coverage: float
    """Share of the scores inside the 80 % interval."""
    width: float
    """Mean width of that interval."""
    bias: float
    """Mean of the expected minus the measured change."""
    error: float
    """Mean absolute error of the expected change."""
    naive: float
    """That of expecting the gain of the round before once more."""
    none: float
    """That of expecting no gain."""
    advice: dict[str, tuple[int, float, float]]
    """Advice -> how often, mean measured gain, share of measured gains of at least the threshold."""


def trials(runs: Iterable[Sequence[Point]], threshold: float = 0.01, prior: Prior = PRIOR) -> list[Trial]:
    """Forecast every round of every run that has two rounds or more before it."""
    return [
        Trial(
            outlook(run[:rounds], run[rounds].slices - run[rounds - 1].slices, threshold, prior=prior),
            float(run[rounds].score or 0.0),
            rounds,
        )
        for run in runs
        for rounds in range(2, len(run))
    ]


def verdict(found: Sequence[Trial], befores: Sequence[float] | None = None) -> Verdict:
    """Sum up forecasts. befores: gain of the round before each forecast."""
    gains = np.array([trial.score - trial.outlook.last for trial in found])
    expected = np.array([trial.outlook.score - trial.outlook.last for trial in found])
    bounds = np.array([trial.outlook.gain_interval for trial in found])
    naive = np.zeros(len(found)) if befores is None else np.array(befores)
    advice = {}
    for word in get_args(Advice):
        here = np.array([trial.outlook.advice == word for trial in found])
        if here.any():
            worth = gains[here] >= found[0].outlook.threshold
            advice[word] = int(here.sum()), float(gains[here].mean()), float(worth.mean())
    return Verdict(
        forecasts=len(found),
        coverage=float(((bounds[:, 0] <= gains) & (gains <= bounds[:, 1])).mean()),
        width=float((bounds[:, 1] - bounds[:, 0]).mean()),
        bias=float((expected - gains).mean()),
        error=float(np.abs(expected - gains).mean()),
        naive=float(np.abs(naive - gains).mean()),
        none=float(np.abs(gains).mean()),
        advice=advice,
    )


def runs_of_folder(folder: Path) -> dict[str, Run]:
    """Return name -> run of every run folder below a folder."""
    found = {}
    for path in sorted(folder.rglob("rounds.jsonl")):
        run = RunFolder(path.parent)
        records = run.records()
        patient = {str(row["case"]): str(row["patient"]) for row in records[0].volumes}
        points = []
        for record in records:
            people: dict[str, list[float]] = {}
            for case, value in volume_means(record.volumes, "dice").items():
                if value is not None:
                    people.setdefault(patient[case], []).append(value)
            scores = {name: float(np.mean(values)) for name, values in people.items()}
            points.append(Point(record.labelled, record.summary["dice"], scores))
        group = json.dumps({key: value for key, value in run.config().items() if key != "seed"}, sort_keys=True)
        found[path.parent.name] = Run(group, points)
    return found


def runs_of_table(path: Path) -> dict[str, Run]:
    """Return name -> run of every run of a table."""
    found: dict[tuple[str, str], list[Point]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            point = Point(float(row["labelled"]), float(row["dice"]))
            found.setdefault((row["recipe"], row["seed"]), []).append(point)
    return {f"{recipe} {seed}": Run(recipe, points) for (recipe, seed), points in found.items()}


def alike(runs: Iterable[Run]) -> list[list[Sequence[Point]]]:
    """Return the runs by group and by slices of their rounds."""
    found = defaultdict(list)
    for run in runs:
        found[run.group, tuple(point.slices for point in run.points)].append(run.points)
    return list(found.values())


def costs(found: Sequence[Course], rule: Rule, threshold: float) -> list[str]:
    """Return lines on what following a rule costs."""
    every = [calls(course, rule, threshold) for course in found]
    ends = [end(course, course_calls, threshold) for course, course_calls in zip(found, every, strict=True)]
    lines = [
        f"lost {np.mean([one.lost for one in ends]):.4f} Dice, "
        f"needless {np.mean([one.needless for one in ends]):.1f} slices, "
        f"regret {np.mean([one.regret for one in ends]):.4f}, at most {max(one.regret for one in ends):.3f}"
    ]
    for word in get_args(Advice):
        here = [call for course_calls in every for call in course_calls if call.advice == word]
        if here:
            lines.append(
                f"{word:18}{len(here):5}; the next round was worth it: {sum(call.expected for call in here)} as "
                f"expected, {sum(call.measured for call in here)} as measured"
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path, nargs="*")
    parser.add_argument("--threshold", type=float, default=0.01)
    parser.add_argument("--half", choices=("first", "second"))
    parser.add_argument("--simulated", type=int, metavar="CURVES")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if bool(given.sources) == bool(given.simulated):
        parser.error("name folders or tables of runs, or --simulated CURVES.")
    if given.simulated:
        _tell_costs(simulated(given.simulated, np.random.default_rng(given.seed)), given.threshold)
    for source in given.sources:
        runs = list((runs_of_folder if source.is_dir() else runs_of_table)(source).values())
        if given.half:
            runs = runs[0 if given.half == "first" else 1 :: 2]
        found = trials([run.points for run in runs], given.threshold)
        befores = [
            run.points[rounds - 1].score - run.points[rounds - 2].score  # the last gain once more
            for run in runs
            for rounds in range(2, len(run.points))
        ]
        print(f"{source}: {len(runs)} runs")
        for name, value in vars(verdict(found, befores)).items():
            print(f"  {name:10} {value:.3f}" if isinstance(value, float) else f"  {name:10} {value}")
        _tell_costs(courses(alike(runs)), given.threshold)


def _tell_costs(found: Sequence[Course], threshold: float) -> None:
    if not found:
        print("  what advice costs: no two runs differ in nothing but their seed")
        return
    for name, rule in RULES.items():
        print(f"  {name} ({len(found)} runs):", *costs(found, rule, threshold), sep="\n    ")


if __name__ == "__main__":
    main()
