"""A trial on disk and on a worker: its runs, one seed after another, and their score."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alseg_core.atomic import write_atomic
from alseg_core.errors import AlsegError, ConfigError
from alseg_core.events import Event
from alseg_core.metrics.curve import aubc
from alseg_core.metrics.metric import DICE
from alseg_core.results import RunFolder
from alseg_core.vocabulary import RoundRecord
from bench.launchers.failures import reason_of
from bench.launchers.launcher import Rung
from bench.launchers.worker import run_one
from bench.study.job import Job

if TYPE_CHECKING:
    from alseg_core.config import RunConfig

FILE = "trial.json"
"""Name of the file that describes a trial."""

REFUSALS = (AlsegError, ConfigError)
"""Errors caused by a run's settings, such as a loss that becomes NaN, and not by the machine, such as a full disk."""


@dataclass(frozen=True)
class TrialFolder:
    """Folder of a trial: ``trial.json`` (number, settings, runs of the proxy), and ``runs/`` with its run folders."""

    path: Path

    @classmethod
    def of(cls, number: int, tuning: Path) -> TrialFolder:
        """Return the folder of a trial below the folder of its tuning."""
        return cls(tuning / "trials" / f"{number:04d}")

    def write(self, number: int, values: Mapping[str, Any], runs: Sequence[RunConfig]) -> None:
        """Write ``trial.json``."""
        self.path.mkdir(parents=True, exist_ok=True)
        content = {"number": number, "settings": dict(values), "runs": [run.describe() for run in runs]}
        write_atomic(self.path / FILE, json.dumps(content, indent=1))

    def jobs(self) -> list[Job]:
        """Return the proxy's runs, one per seed."""
        from alseg_core.config import RunConfig

        runs = json.loads((self.path / FILE).read_text())["runs"]
        return [Job.of(RunConfig.load(raw), self.path) for raw in runs]

    def failure(self) -> str | None:
        """Return why a run of the trial failed, or None."""
        return next((why for path in self.path.glob("runs/*") if (why := RunFolder(path).failure())), None)


def score(records: Sequence[RoundRecord]) -> float:
    """Return the area under the budget curve (AUBC) of a run's mean Dice; the Dice itself for a single budget.

    Trapezoids over labelled slices, divided by their range. Raises AlsegError when no volume has any foreground.
    """
    dice = [record.summary[DICE.name] for record in records]
    defined = [value for value in dice if value is not None]
    if len(defined) < len(dice) or not dice:
        raise AlsegError("no Dice to score by: none of the validation volumes has foreground.")
    if len(records) == 1:
        return float(defined[0])
    return aubc([record.labelled for record in records], defined)


def work(
    folder: Path, store: Path, stalled_after: float | None, tell: Callable[[int, Event], None] | None = None
) -> Iterator[Rung]:
    """Execute the runs of a trial one after another and yield the mean score after each, in any process.

    Settings that cannot be run, such as ones that make the loss NaN, are yielded as refused and end the trial; any
    other error is raised.

    Args:
        folder: folder of the trial.
        store: folder of the store that all runs share.
        stalled_after: see :func:`bench.launchers.worker.run_one`.
        tell: is called with the number of the run, from 0, and each of its events.
    """
    scores: list[float] = []
    for number, job in enumerate(TrialFolder(folder).jobs()):
        try:
            if not job.finished():
                run_one(job.raw, job.folder, store, None if tell is None else partial(tell, number), stalled_after)
            scores.append(score(RunFolder(job.folder).records()))
        except AlsegError as error:
            if type(error.__cause__ or error) not in REFUSALS:
                raise
            yield Rung(len(scores), math.nan, refused=reason_of(error))
            return
        yield Rung(len(scores), float(np.mean(scores)))
