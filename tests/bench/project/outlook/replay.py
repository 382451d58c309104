"""How well forecasts held on finished runs: each round is forecast from the ones before it.

    python tests/bench/project/outlook/replay.py FOLDER_OR_CSV ... [--threshold 0.01] [--half first|second]

FOLDER holds run folders, at any depth; CSV is a table of runs with recipe, seed, labelled and dice.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alseg_core.metrics.means import volume_means
from alseg_core.results import RunFolder
from bench.project.outlook import Outlook, Point, outlook
from bench.project.outlook.curve import PRIOR, Prior


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
    for word in ("go on", "too early to tell", "stop"):
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


def runs_of_folder(folder: Path) -> dict[str, list[Point]]:
    """Return name -> rounds of every run folder below a folder."""
    found = {}
    for path in sorted(folder.rglob("rounds.jsonl")):
        records = RunFolder(path.parent).records()
        patient = {str(row["case"]): str(row["patient"]) for row in records[0].volumes}
        points = []
        for record in records:
            people: dict[str, list[float]] = {}
            for case, value in volume_means(record.volumes, "dice").items():
                if value is not None:
                    people.setdefault(patient[case], []).append(value)
            scores = {name: float(np.mean(values)) for name, values in people.items()}
            points.append(Point(record.labelled, record.summary["dice"], scores))
        found[path.parent.name] = points
    return found


def runs_of_table(path: Path) -> dict[str, list[Point]]:
    """Return name -> rounds of every run of a table."""
    found: dict[str, list[Point]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            point = Point(float(row["labelled"]), float(row["dice"]))
            found.setdefault(f"{row['recipe']} {row['seed']}", []).append(point)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--threshold", type=float, default=0.01)
    parser.add_argument("--half", choices=("first", "second"))
    given = parser.parse_args()
    for source in given.sources:
        runs = list((runs_of_folder if source.is_dir() else runs_of_table)(source).values())
        if given.half:
            runs = runs[0 if given.half == "first" else 1 :: 2]
        found = trials(runs, given.threshold)
        befores = [
            run[rounds - 1].score - run[rounds - 2].score  # the last gain once more
            for run in runs
            for rounds in range(2, len(run))
        ]
        print(f"{source}: {len(runs)} runs")
        for name, value in vars(verdict(found, befores)).items():
            print(f"  {name:10} {value:.3f}" if isinstance(value, float) else f"  {name:10} {value}")


if __name__ == "__main__":
    main()
