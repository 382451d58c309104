"""One study in the store: find out what the store lacks, and send it."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from alseg_core.device import usage
from alseg_core.errors import ResultsError
from alseg_core.results import RunFolder
from alseg_core.visible import visible
from alseg_core.vocabulary import RoundRecord
from bench.study.job import Job
from bench.tracking import content, weights
from bench.tracking.content import KEY, LAST, STUDY, VALUE_LIMIT
from bench.tracking.pictures import EXAMPLES, sheet
from bench.tracking.server import connect, experiment, runs_of
from bench.tracking.views import NOTE, study_tags
from bench.tracking.weights import FILE as NETWORK

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

PARENT = "mlflow.parentRunId"
WHOLE, FORM = "alseg.tracked", "4"
"""Tag of a run that is in the store with all its files; its value, from :func:`mark`, starts with its form.

Runs in another form are sent again, and runs with other results are replaced.
"""
FAILURE, DAMAGED = "failure", "damaged"
"""Tags: why a run failed, and which of its files are damaged and therefore not sent."""
BATCH = 900
"""Metrics per request; MLflow allows 1,000."""
NOTE_LIMIT = 7000
"""Longest description, in characters; MLflow allows 8,000."""


@dataclass
class Stored:
    """What the store has of a run."""

    run: str
    """Id of the run in MLflow."""
    start: int
    """Start time, in ms since the epoch."""
    status: str = "RUNNING"
    """MLflow's status of the run."""
    rounds: int = 0
    """Number of rounds in the store."""
    samples: int = 0
    """Number of samples of the machine that were sent by this process; what is sent twice is stored once."""
    params: frozenset[str] = frozenset()
    """Names of the parameters in the store."""
    data: bool = False
    """Whether the store knows the run's dataset."""
    failed: bool = False
    """Whether the run is tagged with a failure."""
    whole: str | None = None
    """Value of :func:`mark` when everything had been sent; None before."""

    @classmethod
    def of(cls, run: Run) -> Stored:
        """Return the state of a run as the store returned it."""
        metrics, tags = run.data.metrics, run.data.tags
        sent = tags.get(WHOLE, "")
        whole = sent if run.info.status == "FINISHED" and sent.startswith(f"{FORM}-") else None
        return cls(
            run=run.info.run_id,
            start=run.info.start_time,
            status=run.info.status,
            rounds=int(metrics[LAST]) + 1 if LAST in metrics else 0,
            params=frozenset() if whole else frozenset(run.data.params),
            data=bool(run.inputs and run.inputs.dataset_inputs),
            failed=FAILURE in tags,
            whole=whole,
        )


@dataclass(eq=False)
class Tracker:
    """The experiment of one study. Methods raise what the store raises; :class:`Background` catches it.

    The state of the store is read once, and again after an error.
    """

    name: str
    out: Path
    _client: MlflowClient | None = None
    _experiment: str = ""
    _parent: Stored = field(default_factory=lambda: Stored("", 0))
    _runs: dict[str, Stored] = field(default_factory=dict)

    def sync(self, job: Job, failure: str | None = None, unfinished: str = "RUNNING") -> None:
        """Send the rounds that the store lacks, and close the run when it has ended. Syncing twice changes nothing.

        unfinished: status of a run that has rounds left and has not failed.
        """
        try:
            client = self._open()
        except Exception:
            self._client = None
            raise
        folder, known = RunFolder(job.folder), self._runs.get(job.key)
        now = mark(folder)  # before the records, so that a change in between is sent again
        if known is not None and known.whole and now in (known.whole, None):
            return
        try:
            records = folder.records()
            if fault := folder.check(records):
                raise ResultsError(fault)
        except ResultsError as error:  # a damaged run has failed; what the store has of it stays
            records, failure = [], failure or str(error)
        try:
            if known is not None and records and (known.whole or known.rounds > len(records)):
                self._delete(client, known)  # the folder was deleted and the run repeated
                del self._runs[job.key]
            self._sync(client, job, records, now, failure, unfinished)
        except Exception:
            self._client = None
            raise

    def close(self, report: Path | None, status: str) -> None:
        """End the parent run and attach the study's report."""
        try:
            client = self._open()
            if report is not None and report.exists():
                client.log_artifacts(self._parent.run, str(report), "report")
                client.set_tag(self._parent.run, NOTE, _note(self.name, report))
            self._set_status(client, self._parent, status)
        except Exception:
            self._client = None
            raise

    def started(self, key: str) -> bool:
        """Return whether the run is unfinished in the store, as far as is known without a request."""
        return key in self._runs and self._runs[key].status == "RUNNING"

    def _open(self) -> MlflowClient:
        """Find or create the experiment and the parent run, and read the state of the store."""
        if self._client is not None:
            return self._client
        client = connect(self.out)
        found = experiment(client, self.name, self.out)
        self._experiment = found.experiment_id
        self._runs, parent = {}, None
        for run in runs_of(client, self._experiment):
            tags = run.data.tags
            if KEY in tags:
                self._keep(client, tags[KEY], Stored.of(run))
            elif tags.get(STUDY) == self.name:
                parent = Stored.of(run)
        self._parent = parent or self._create(client, self.name, {STUDY: self.name, NOTE: _note(self.name, None)})
        for tag, value in study_tags(self.name, self._experiment, self._parent.run).items():
            if found.tags.get(tag) != value:
                client.set_experiment_tag(self._experiment, tag, value)
        self._client = client
        return client

    def _keep(self, client: MlflowClient, key: str, run: Stored) -> None:
        """Keep ``run``; if a slow server created the run twice, keep the one with more rounds."""
        other = self._runs.setdefault(key, run)
        if other is not run:
            self._runs[key], emptier = (other, run) if other.rounds >= run.rounds else (run, other)
            self._delete(client, emptier)

    def _delete(self, client: MlflowClient, run: Stored) -> None:
        weights.delete(client, self._experiment, run.run)
        client.delete_run(run.run)

    def _create(self, client: MlflowClient, name: str, tags: Mapping[str, str], ago: int = 0) -> Stored:
        """Create a run that started ``ago`` ms ago."""
        start = int(1000 * time.time()) - ago
        tags = {**tags, **content.source_tags(self.name)}
        return Stored(client.create_run(self._experiment, start, tags, name).info.run_id, start)

    def _sync(
        self,
        client: MlflowClient,
        job: Job,
        records: Sequence[RoundRecord],
        now: str | None,
        failure: str | None,
        unfinished: str,
    ) -> None:
        run, folder = self._runs.get(job.key), RunFolder(job.folder)
        worked = [max(1, int(1000 * sum(record.seconds.values()))) for record in records]
        if run is None:
            tags = {**content.tags_of(job), STUDY: self.name, PARENT: self._parent.run}
            run = self._runs[job.key] = self._create(client, content.run_name(job), tags, sum(worked))
        finished = len(records) >= job.rounds
        if not finished and failure is None and unfinished == "RUNNING":
            self._set_status(client, self._parent, "RUNNING")
        self._params(client, job, run)
        self._rounds(client, run, records, worked, finished)
        self._machine(client, run, folder)
        self._data(client, run, job, folder)
        if finished:
            self._artifacts(client, run, records, folder)
            self._network(client, run, job, folder, records, run.start + sum(worked))
            client.set_tag(run.run, WHOLE, now)
        self._failure(client, run, failure, finished)
        status = "FINISHED" if finished else "FAILED" if failure is not None else unfinished
        self._set_status(client, run, status, run.start + sum(worked) if finished else None)
        run.whole = now if finished else None
        if finished:
            run.params = frozenset()  # nothing more will be sent: the names of a thousand runs are many megabytes

    def _params(self, client: MlflowClient, job: Job, run: Stored) -> None:
        from mlflow.entities import Param

        settings = content.flatten(job.raw)
        params = [Param(key, text[:VALUE_LIMIT]) for key, text in settings.items() if key not in run.params]
        for start in range(0, len(params), 100):
            client.log_batch(run.run, params=params[start : start + 100])
        run.params = frozenset(settings)

    def _rounds(
        self, client: MlflowClient, run: Stored, records: Sequence[RoundRecord], worked: Sequence[int], finished: bool
    ) -> None:
        """Send the rounds that the store lacks, each in one batch with its mark.

        Times come from the records, so that resending a partly sent round creates no duplicates.
        """
        from mlflow.entities import Metric

        batch: list[Metric] = []
        for number in range(run.rounds, len(records)):
            record, clock = records[number], run.start + sum(worked[: number + 1])
            numbers = content.metrics_of(record)
            if finished and number == len(records) - 1:
                numbers |= content.final_metrics(records)
            if len(batch) + len(numbers) > BATCH:
                client.log_batch(run.run, metrics=batch)
                batch = []
            batch += [Metric(name, value, clock, record.labelled) for name, value in numbers.items()]
        if batch:
            client.log_batch(run.run, metrics=batch)
        run.rounds = max(run.rounds, len(records))  # a deleted folder takes nothing back

    def _machine(self, client: MlflowClient, run: Stored, folder: RunFolder) -> None:
        """Send the samples of the machine that the store lacks; their step is the time since the first, in seconds."""
        from mlflow.entities import Metric

        samples = usage.recorded(folder.path)
        new = [
            Metric(name, value, int(1000 * sample.time), int(sample.time - samples[0].time))
            for sample in samples[run.samples :]
            for name, value in content.usage_metrics(sample).items()
        ]
        for start in range(0, len(new), BATCH):
            client.log_batch(run.run, metrics=new[start : start + BATCH])
        run.samples = max(run.samples, len(samples))

    def _data(self, client: MlflowClient, run: Stored, job: Job, folder: RunFolder) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        try:
            identity = folder.identity()
        except ResultsError:  # the run has failed because of it
            return
        if run.data or identity is None:
            return
        dataset = Dataset(**content.dataset_of(job, identity["data_key"]))
        client.log_inputs(run.run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
        for tag, value in content.commit_of(job.folder).items():
            client.set_tag(run.run, tag, value)
        run.data = True

    def _artifacts(self, client: MlflowClient, run: Stored, records: Sequence[RoundRecord], folder: RunFolder) -> None:
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary)
            selected = [{"round": r.round, "labelled": r.labelled, "selected": r.selected} for r in records]
            (path / "selected.json").write_text(json.dumps(selected, indent=1))
            faults = {name: fault for name in (EXAMPLES, NETWORK) if (fault := folder.fault(name, records))}
            if (folder.path / EXAMPLES).exists() and EXAMPLES not in faults:
                sheet(folder.path / EXAMPLES, path / "examples.png")
            client.log_artifacts(run.run, str(path))
            if faults:
                client.set_tag(run.run, DAMAGED, "; ".join(faults.values())[:VALUE_LIMIT])

    def _network(
        self, client: MlflowClient, run: Stored, job: Job, folder: RunFolder, records: Sequence[RoundRecord], clock: int
    ) -> None:
        """Log the network that the run has kept, with the scores of the last round, which ended at ``clock`` ms."""
        from mlflow.entities import Metric

        if not (folder.path / NETWORK).exists() or folder.fault(NETWORK, records):
            return
        last = records[-1]
        scores = [Metric(name, value, clock, last.labelled) for name, value in content.scores_of(last).items()]
        params = {name: text[:VALUE_LIMIT] for name, text in content.flatten(job.raw).items()}
        weights.log(client, client.get_run(run.run), folder.path, content.tags_of(job), params, scores)

    def _failure(self, client: MlflowClient, run: Stored, failure: str | None, finished: bool) -> None:
        if failure is not None:
            client.set_tag(run.run, FAILURE, visible(failure)[:VALUE_LIMIT])
            run.failed = True
        elif finished and run.failed:
            client.delete_tag(run.run, FAILURE)
            run.failed = False

    def _set_status(self, client: MlflowClient, run: Stored, status: str, end: int | None = None) -> None:
        if status == run.status:
            return
        if status == "RUNNING":
            client.update_run(run.run, status=status)
        else:
            client.set_terminated(run.run, status=status, end_time=end)
        run.status = status


def mark(folder: RunFolder) -> str | None:
    """Return form and digest of a run's rounds, or None without rounds."""
    path = folder.path / "rounds.jsonl"
    if not path.is_file():
        return None
    return f"{FORM}-{hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()}"


def _note(study: str, report: Path | None) -> str:
    """Return the description of the parent run in Markdown, with the comparison once there is a report."""
    head = f"Study **{study}** of alseg. Its runs are nested below; its report is under Artifacts (`report/`).\n"
    path = report / "comparison.md" if report is not None else None
    if path is None or not path.exists():
        return head
    kept: list[str] = []
    for line in path.read_text().splitlines():
        if sum(len(part) + 1 for part in kept) + len(line) > NOTE_LIMIT - len(head):
            kept.append("\n(shortened; see `report/comparison.md`)")
            break
        kept.append(line)
    return head + "\n" + "\n".join(kept) + "\n"
