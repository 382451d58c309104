"""A tuning in MLflow: an experiment with one parent run and every trial nested below it.

Everything tracked is read from Optuna's storage and the run folders, and only what MLflow lacks is sent. A tuning does
not depend on MLflow: when its server is down, running the same command later sends the rest.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.tracking import PARENT, VALUE_LIMIT, connect, experiment, reason, runs_of, tracking_uri
from bench.tracking.content import rounded
from bench.tuning.parameters import DIGITS
from bench.tuning.trial import TrialFolder
from bench.tuning.trial_views import FINAL, MEAN, SCORE, tuning_tags
from bench.tuning.trials import OWN, Trials, outcome

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from optuna.trial import FrozenTrial

    from bench.tuning.full_loop import Verdict

TUNING, TRIAL = "alseg.tuning", "alseg.trial"
"""Tags of MLflow's runs: name of the tuning's folder, and number of the trial."""

STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
"""Optuna's final state of a trial -> MLflow's status of a run."""


@dataclass(eq=False)
class TrialTracker:
    """Sends the trials of a tuning to MLflow."""

    name: str
    """Name of the tuning's folder below ``out``, and of MLflow's experiment."""
    out: Path
    trials: Trials
    trouble: str | None = None
    """Why the last attempt failed, or None."""
    _client: MlflowClient | None = None
    _experiment: str = ""
    _parent: str = ""
    _known: dict[int, str] = field(default_factory=dict)

    def changed(self) -> None:
        """Send the trials that have ended. After a failure nothing is sent until :meth:`finish`."""
        if self.trouble is None:
            self._try(self._send)

    def finish(self, verdict: Verdict, report: Path) -> str | None:
        """Send what is missing, the scores of the full loop and the report. Returns why that failed, or None."""

        def everything() -> None:
            self._send()
            self._judge(verdict, report)
            self._describe()

        self._try(everything)
        return self.trouble

    def _try(self, send: Any) -> None:
        try:
            send()
        except Exception as error:  # whatever a store raises: it must not reach the tuning
            self.trouble = reason(error, tracking_uri(self.out))
        else:
            self.trouble = None

    def _open(self) -> MlflowClient:
        """Find or create experiment and parent run, and list the trials that MLflow has."""
        if self._client is not None:
            return self._client
        client = connect(self.out)
        self._experiment = experiment(client, self.name, self.out).experiment_id
        runs = list(runs_of(client, self._experiment))
        self._known = {int(run.data.tags[TRIAL]): run.info.run_id for run in runs if TRIAL in run.data.tags}
        parents = [run.info.run_id for run in runs if TUNING in run.data.tags and PARENT not in run.data.tags]
        tags = {TUNING: self.name}
        self._parent = (
            parents[0] if parents else client.create_run(self._experiment, run_name=self.name, tags=tags).info.run_id
        )
        self._client = client
        return client

    def _describe(self) -> None:
        """Write the tags of the experiment, with the settings that trials have had so far."""
        client = self._open()
        settings = list(dict.fromkeys(name for trial in self.trials.all() for name in trial.params))
        for tag, value in tuning_tags(self.name, self._experiment, self._parent, settings).items():
            client.set_experiment_tag(self._experiment, tag, value)

    def _send(self) -> None:
        """Send the trials that have ended and that MLflow lacks."""
        client = self._open()
        for trial in self.trials.all():
            if trial.state.name in STATUS and trial.number not in self._known:
                self._known[trial.number] = self._create(client, trial)
                self._describe()

    def _create(self, client: MlflowClient, trial: FrozenTrial) -> str:
        """Create the run of one trial. Its tag as a trial comes last, so that a run sent in part is sent again."""
        from mlflow.entities import Metric, Param, RunTag

        folder = TrialFolder.of(trial.number, self.out / self.name)
        stamps = [
            moment and int(1000 * moment.timestamp()) for moment in (trial.datetime_start, trial.datetime_complete)
        ]
        start, end = stamps[0] or int(1000 * time.time()), stamps[1]
        tags = {PARENT: self._parent, TUNING: self.name, "state": trial.state.name, "outcome": outcome(trial)}
        tags |= {"folder": str(folder.path), "own": str(bool(trial.user_attrs.get(OWN)))}
        name = f"{trial.number}: {self.trials.label(trial)}"[:VALUE_LIMIT]
        run: str = client.create_run(self._experiment, start_time=start, run_name=name, tags=tags).info.run_id
        metrics = [
            Metric(SCORE, rounded(value), end or start, rung) for rung, value in trial.intermediate_values.items()
        ]
        params = [Param(name, _plain(value)[:VALUE_LIMIT]) for name, value in trial.params.items()]
        client.log_batch(run, metrics=metrics, params=params, tags=[RunTag(TRIAL, str(trial.number))])
        client.set_terminated(run, status=STATUS[trial.state.name], end_time=end)
        return run

    def _judge(self, verdict: Verdict, report: Path) -> None:
        client = self._open()
        for candidate, scores in zip(verdict.candidates, verdict.scores, strict=True):
            run = self._known[candidate.number]
            known = {metric.step for metric in client.get_metric_history(run, FINAL)}
            for job, value in zip(candidate.jobs, scores, strict=True):
                if job.identity.seed not in known and value == value:
                    client.log_metric(run, FINAL, rounded(value), step=job.identity.seed)
            means = {metric.step for metric in client.get_metric_history(run, MEAN)}
            if len(scores) not in means and np.isfinite(scores).all():
                client.log_metric(run, MEAN, rounded(scores.mean()), step=len(scores))
        client.set_tag(self._parent, "best", verdict.candidates[verdict.best].title)
        client.log_artifacts(self._parent, str(report), "report")
        client.set_terminated(self._parent)


def _plain(value: Any) -> str:
    """Return a parameter as text, with the digits that the run has used."""
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    return value if isinstance(value, str) else json.dumps(value)
