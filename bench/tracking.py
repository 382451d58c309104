"""Studies in MLflow: the only door to it, and only the driver goes through it, so that trials never meet at the store.

A study is an experiment with one parent run; each of its runs is a nested run. What is tracked comes from run folders
alone, and only what the store does not have yet is sent, so tracking can stop and be made up for at any later time.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alseg_core.results import RunFolder
from alseg_core.vocabulary import RoundRecord
from bench.worker import Job

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

BOUNDS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
KEY, STUDY = "alseg.key", "alseg.study"
PARENT = "mlflow.parentRunId"
LAST = "round"
"""Metric that is sent with a round's others in one batch: where it is, the round is in the store."""
VALUE_LIMIT = 500
PAUSE = 30.0
"""Seconds after a failure in which the store is left alone."""


def tracking_uri(out: Path) -> str:
    """MLFLOW_TRACKING_URI, or a SQLite file below ``out``."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{out.absolute() / 'mlflow.db'}"


@dataclass(eq=False)
class Tracker:
    """One study's experiment. Its methods raise what the store raises; :class:`Background` keeps that from a study."""

    name: str
    out: Path
    _runs: dict[str, str] = field(default_factory=dict)
    _client: MlflowClient | None = None
    _experiment: str = ""
    _parent: str = ""

    def open(self) -> None:
        """Find or create the experiment and the parent run, and learn which runs the store has."""
        if self._client is not None:
            return
        for name, value in BOUNDS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        for logger in ("mlflow", "alembic", "git"):
            logging.getLogger(logger).setLevel(logging.ERROR)
        client = MlflowClient(tracking_uri=tracking_uri(self.out))
        found = client.get_experiment_by_name(self.name)
        if found is None:
            own = None if os.environ.get("MLFLOW_TRACKING_URI") else (self.out.absolute() / "mlartifacts").as_uri()
            self._experiment = client.create_experiment(self.name, artifact_location=own)
        else:
            self._experiment = found.experiment_id
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(self._experiment)
        known = self._existing(client)
        parents = [run for run in known if run.data.tags.get(STUDY) == self.name and KEY not in run.data.tags]
        self._runs = {run.data.tags[KEY]: run.info.run_id for run in known if KEY in run.data.tags}
        self._parent = parents[0].info.run_id if parents else self._create(client, self.name, {STUDY: self.name})
        self._client = client

    def _existing(self, client: MlflowClient) -> list[Run]:
        runs: list[Run] = []
        token = None
        while True:
            page = client.search_runs([self._experiment], max_results=1000, page_token=token)
            runs += page
            token = page.token
            if not token:
                return runs

    def _create(self, client: MlflowClient, name: str, tags: Mapping[str, str]) -> str:
        created: str = client.create_run(self._experiment, run_name=name, tags=dict(tags)).info.run_id
        return created

    def sync(self, job: Job, failure: str | None = None) -> None:
        """Send the rounds of the run's folder that the store does not have; at the end of the run close it.

        Sending the same twice changes nothing.
        """
        self.open()
        client = self._client
        assert client is not None
        folder = RunFolder(job.folder)
        records = folder.records()
        run = self._runs.get(job.key)
        if run is None:
            run = self._create(client, _run_name(job), {**_tags(job), STUDY: self.name, PARENT: self._parent})
            self._runs[job.key] = run
        info = client.get_run(run)
        settings = {key: text for key, text in flatten(job.raw).items() if key not in info.data.params}
        _log_params(client, run, settings)
        there = {metric.step for metric in client.get_metric_history(run, LAST)}
        clock = info.info.start_time
        for record in records:
            clock += max(1, int(1000 * sum(record.seconds.values())))
            if record.labelled not in there:
                _log_round(client, run, record, clock)
        finished = len(records) >= job.rounds
        status = "FINISHED" if finished else "FAILED" if failure is not None else "RUNNING"
        if finished and info.info.status != "FINISHED":
            self._artifacts(run, records, folder)
        if failure is not None:
            client.set_tag(run, "failure", failure[:VALUE_LIMIT])
        elif finished and "failure" in info.data.tags:
            client.delete_tag(run, "failure")
        if status != info.info.status:
            _set_status(client, run, status)

    def _artifacts(self, run: str, records: Sequence[RoundRecord], folder: RunFolder) -> None:
        assert self._client is not None
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary)
            selected = [{"round": r.round, "labelled": r.labelled, "selected": r.selected} for r in records]
            (path / "selected.json").write_text(json.dumps(selected, indent=1))
            if (folder.path / "examples.npz").exists():
                overlays(folder.path / "examples.npz", path)
            self._client.log_artifacts(run, str(path))

    def close(self, report: Path, status: str) -> None:
        """Put the study's report on the parent run."""
        self.open()
        assert self._client is not None
        if report.exists():
            self._client.log_artifacts(self._parent, str(report), "report")
        _set_status(self._client, self._parent, status)


def _set_status(client: MlflowClient, run: str, status: str) -> None:
    if status == "RUNNING":
        client.update_run(run, status=status)
    else:
        client.set_terminated(run, status=status)


def _run_name(job: Job) -> str:
    tags = _tags(job)
    return f"{tags['dataset']}-{tags['recipe']}-{tags['annotation']}-s{tags['seed']}"


def _tags(job: Job) -> dict[str, str]:
    raw = job.raw
    return {
        KEY: job.key,
        "dataset": raw["dataset"]["name"],
        "recipe": raw["recipe"]["name"],
        "annotation": raw["annotation"]["name"],
        "schedule": raw["schedule"],
        "seed": str(raw["seed"]),
    }


def flatten(value: Any, prefix: str = "") -> dict[str, str]:
    """Nested settings as ``{"train.network.name": "unet"}``; lists and empty mappings as JSON."""
    if isinstance(value, Mapping) and value:
        items = [flatten(inner, f"{prefix}.{key}" if prefix else str(key)) for key, inner in value.items()]
        return {key: text for item in items for key, text in item.items()}
    return {prefix: value if isinstance(value, str) else json.dumps(value)}


def _log_params(client: MlflowClient, run: str, settings: Mapping[str, str]) -> None:
    from mlflow.entities import Param

    params = [Param(key, value[:VALUE_LIMIT]) for key, value in settings.items()]
    for start in range(0, len(params), 100):
        client.log_batch(run, params=params[start : start + 100])


def metrics_of(record: RoundRecord) -> dict[str, float]:
    """Everything of a round that is a number and defined."""
    numbers = {
        **record.summary,
        "cover_radius": record.cover_radius,
        "cost": record.cost,
        "fraction": record.fraction,
        **{f"seconds_{part}": value for part, value in record.seconds.items()},
        **({} if record.peak_mb is None else {"peak_mb": float(record.peak_mb)}),
        LAST: float(record.round),
    }
    return {name: float(value) for name, value in numbers.items() if value is not None and np.isfinite(value)}


def _log_round(client: MlflowClient, run: str, record: RoundRecord, clock: int) -> None:
    from mlflow.entities import Metric

    # the time comes from the record, so a round that was sent in part and is sent again makes no doubles
    metrics = [Metric(_safe(name), value, clock, record.labelled) for name, value in metrics_of(record).items()]
    client.log_batch(run, metrics=metrics)


def _safe(name: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "_-. /" else "_" for sign in name)


def overlays(examples: Path, folder: Path) -> list[Path]:
    """One picture a kept test slice: image, truth over it, prediction over it; named ``overlay_<case>_z<z>.png``.

    examples: ``.npz`` with image (K, H, W) float, truth and prediction (K, H, W) class numbers, case (K,), z (K,).
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    colours = ListedColormap(["#D55E00", "#0072B2", "#F0E442", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"])
    written = []
    with np.load(examples) as kept:
        columns = [kept[name] for name in ("image", "truth", "prediction", "case", "z")]
        for image, truth, prediction, case, z in zip(*columns, strict=True):
            figure = Figure(figsize=(9, 3.2), layout="constrained")
            axes = figure.subplots(1, 3)
            parts = ((f"{case}, slice {z}", None), ("truth", truth), ("prediction", prediction))
            for axis, (title, labels) in zip(axes, parts, strict=True):
                axis.imshow(image, cmap="gray")
                if labels is not None:
                    shown = np.ma.masked_where(labels == 0, (labels.astype(int) - 1) % colours.N)
                    axis.imshow(shown, cmap=colours, vmin=0, vmax=colours.N - 1, alpha=0.55, interpolation="nearest")
                axis.set_title(title, fontsize=10)
                axis.set_axis_off()
            path = folder / f"overlay_{case}_z{z}.png"
            figure.savefig(path, dpi=100)
            written.append(path)
    return written


class Background:
    """Tracks a study beside it: a store that is slow, locked or down costs the study nothing but its tracking.

    What could not be sent is tried again later, at the latest in :meth:`finish`.
    """

    def __init__(self, tracker: Tracker, jobs: Sequence[Job]) -> None:
        self.tracker = tracker
        self.jobs = {job.key: job for job in jobs}
        self.failures: dict[str, str] = {}
        self._requests: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._trouble: str | None = None
        self._pending: set[str] = set()
        self._report: Path | None = None
        self._closed = False
        self._tried = -PAUSE
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def changed(self, key: str, failure: str | None = None) -> None:
        """There is something new in the run's folder, or the run has failed."""
        if failure is not None:
            self.failures[key] = failure
        self._requests.put(key)

    def finish(self, report: Path, seconds: float) -> str | None:
        """Send what is missing and the report, for at most that long. Returns what was not tracked and why, or None."""
        self._report = report
        for key in self.jobs:
            self._requests.put(key)
        self._requests.put(None)
        self._thread.join(seconds)
        if self._closed:
            return None
        missing = f"{len(self._pending)} of {len(self.jobs)} runs" if self._pending else "the report"
        reason = self._trouble or f"no answer within {seconds:.0f} s"
        return f"{missing} not tracked in {tracking_uri(self.tracker.out)}: {reason}"

    def _work(self) -> None:
        while (key := self._requests.get()) is not None:
            last = self._report is not None
            self._pending.add(key)
            if last or self._trouble is None or time.monotonic() - self._tried > PAUSE:
                self._try(key)
                if last and self._trouble is not None:
                    while (left := self._requests.get()) is not None:
                        self._pending.add(left)
                    return
        try:
            assert self._report is not None
            self.tracker.close(self._report, "FAILED" if self.failures else "FINISHED")
            self._closed = not self._pending
        except Exception as error:
            self._trouble = _brief(error)

    def _try(self, key: str) -> None:
        self._tried = time.monotonic()
        try:
            self.tracker.sync(self.jobs[key], self.failures.get(key))
        except Exception as error:  # whatever a store raises: it must not reach the study
            self._trouble = _brief(error)
        else:
            self._trouble = None
            self._pending.discard(key)


def _brief(error: Exception) -> str:
    line = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {line}"[:300]
