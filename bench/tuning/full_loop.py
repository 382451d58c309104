"""The full loop: the best trials and the recipe as it is, run by the preset's own loop on seeds that no trial used."""

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

SHOWN = 4
"""Number of settings that name a trial in a text."""


@dataclass(frozen=True)
class Candidate:
    """A trial that goes through the full loop."""

    number: int
    """Number of the trial."""
    own: bool
    """Whether its settings are the recipe's own."""
    settings: Mapping[str, Any]
    """Setting -> value."""
    jobs: Sequence[Job]
    """Its runs, one per seed."""
    label: str = ""
    """The settings that differ from the recipe's own, in a few words."""

    @property
    def title(self) -> str:
        """Number and settings, such as "trial 7 (w_patient=0.5 lr=0.01)"."""
        return f"trial {self.number}" + (f" ({self.label})" if self.label else "")

    def scores(self) -> list[float]:
        """Return the AUBC of each seed; NaN where a run is not finished."""
        return [score(RunFolder(job.folder).records()) if job.finished() else math.nan for job in self.jobs]

    def failure(self) -> str | None:
        """Return why a run failed, or None."""
        return next((why for job in self.jobs if (why := RunFolder(job.folder).failure())), None)


@dataclass(frozen=True)
class Verdict:
    """Scores of the full loop. scores: AUBC (candidates, seeds), the recipe as it is in row 0."""

    candidates: Sequence[Candidate]
    scores: np.ndarray

    def whole(self, row: int) -> bool:
        """Return whether all runs of a candidate are finished."""
        return bool(np.isfinite(self.scores[row]).all())

    @property
    def best(self) -> int:
        """Row of the highest mean; the recipe as it is wins a tie."""
        means = self.scores.mean(axis=1)
        return int(np.nanargmax(means))

    def gain(self, row: int) -> tuple[float, float]:
        """Return a candidate's mean gain over the recipe as it is, and half its 95 % interval (Student's t over seeds).

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
        """Whether the gain of the best may be chance: its interval includes 0, or one seed gives no interval."""
        gain, half = self.gain(self.best)
        return not gain > half


def candidates(tuning: Tuning, raw: Mapping[str, Any], trials: Trials, folder: Path) -> list[Candidate]:
    """Return the recipe as it is and the best trials with other settings."""
    own = trials.own()
    chosen = [(own.number, tuning.own(raw))]
    named = {trial.number: trials.label(trial, SHOWN) for trial in trials.complete()}
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
            named.get(number, ""),
        )
        for number, settings in chosen
    ]


def verdict(found: Sequence[Candidate]) -> Verdict:
    """Read the scores of finished runs; a candidate with a failed run has NaN scores."""
    return Verdict(found, np.array([candidate.scores() for candidate in found]))
