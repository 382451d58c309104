"""The last judgement: the best trials and the recipe as it is, by the preset's own loop on seeds that chose none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alseg_core.results import RunFolder
from bench.study.job import Job
from bench.tuning.spec import Tuning
from bench.tuning.trial import TrialFolder, score
from bench.tuning.trials import OWN, Trials


@dataclass(frozen=True)
class Candidate:
    """number: of the trial; own: whether it is the recipe as it is; settings: setting -> value; jobs: seed by seed."""

    number: int
    own: bool
    settings: Mapping[str, Any]
    jobs: Sequence[Job]

    def scores(self) -> list[float]:
        """AUBC of each seed; NaN where a run is not finished."""
        return [score(RunFolder(job.folder).records()) if job.finished() else math.nan for job in self.jobs]

    def failure(self) -> str | None:
        """Why a run failed."""
        return next((why for job in self.jobs if (why := RunFolder(job.folder).failure())), None)


@dataclass(frozen=True)
class Verdict:
    """What the last judgement says. scores: AUBC (candidates, seeds), the recipe as it is in row 0."""

    candidates: Sequence[Candidate]
    scores: np.ndarray

    def whole(self, row: int) -> bool:
        """All runs of the candidate are finished."""
        return bool(np.isfinite(self.scores[row]).all())

    @property
    def best(self) -> int:
        """Row of the highest mean; of equal ones the first, so that the recipe as it is wins a tie."""
        means = self.scores.mean(axis=1)
        return int(np.nanargmax(means))

    def gain(self, row: int) -> tuple[float, float]:
        """Mean over seeds of a candidate's score less that of the recipe as it is, and half its 95 % interval (t).

        The interval is NaN for one seed.
        """
        from scipy.stats import t

        difference = self.scores[row] - self.scores[0]
        count = len(difference)
        if count < 2:
            return float(difference.mean()), math.nan
        half = t.ppf(0.975, count - 1) * difference.std(ddof=1) / math.sqrt(count)
        return float(difference.mean()), float(half)

    @property
    def chance(self) -> bool:
        """The gain of the best may be chance: its interval holds 0, or there is none."""
        gain, half = self.gain(self.best)
        return not gain > half


def candidates(tuning: Tuning, raw: Mapping[str, Any], trials: Trials, folder: Path) -> list[Candidate]:
    """The recipe as it is and the best trials with other settings."""
    own = trials.own()
    chosen = [(own.number, tuning.own(raw))]
    for trial in trials.complete():
        settings = tuning.settings_of(trial.params, raw)
        if len(chosen) <= tuning.full.top and not trial.user_attrs.get(OWN) and settings not in [s for _, s in chosen]:
            chosen.append((trial.number, settings))
    return [
        Candidate(
            number,
            number == own.number,
            settings,
            [Job.of(run, TrialFolder.of(number, folder).path) for run in tuning.full_runs(raw, settings)],
        )
        for number, settings in chosen
    ]


def verdict(found: Sequence[Candidate]) -> Verdict:
    """Read what the runs left. A candidate of which a run failed has NaN scores."""
    return Verdict(found, np.array([candidate.scores() for candidate in found]))
