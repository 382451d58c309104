"""A study on Ray Tune: one trial a run, on the cluster that :mod:`bench.cluster` started or joined."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alseg_core.errors import ConfigError
from alseg_core.events import Event, Progress
from alseg_core.results import RunFolder
from bench.cluster import Cluster
from bench.worker import Job, RunEnded, RunRetried, StudyListener, run_one

if TYPE_CHECKING:
    from ray.tune import Callback

PROGRESS_EVERY = 1.0
"""Seconds between two progress reports of a run."""
DIED = "the worker process died without a word; it was killed, or the machine is out of memory"


def execute(
    jobs: Sequence[Job],
    store_root: Path,
    retries: int,
    tell: StudyListener,
    scratch: Path,
    cluster: Cluster,
    cpus: int = 1,
    gpus: float = 0,
    concurrency: int | None = None,
) -> None:
    """Run every job as a trial; a trial that fails is retried ``retries`` times, then its reason is recorded.

    scratch: folder for Ray's own files. On a cluster all nodes must see the folders of jobs, store and scratch.
    cpus, gpus: of one trial. concurrency: trials at once, None = as many as fit.
    """
    cluster.wait()
    import ray
    from ray import tune

    cpus, there = cluster.cpus(cpus), ray.cluster_resources()
    if there.get("CPU", 0) < cpus or there.get("GPU", 0) < gpus:
        raise ConfigError(
            f"resources: a run wants {cpus} CPUs and {gpus:g} GPUs, the cluster has {there.get('CPU', 0):g} and "
            f"{there.get('GPU', 0):g}; lower them (--set resources.gpus=0)."
        )

    by_key = {job.key: job for job in jobs}
    work = {job.key: (job.raw, str(job.folder)) for job in jobs}
    trainable = tune.with_resources(
        tune.with_parameters(_trial, work=work, store_root=str(store_root)), {"cpu": cpus, "gpu": gpus}
    )
    tune.Tuner(
        trainable,
        param_space={"key": tune.grid_search(list(work))},
        tune_config=tune.TuneConfig(
            reuse_actors=True,
            max_concurrent_trials=concurrency,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch.absolute()),
            failure_config=tune.FailureConfig(max_failures=retries),
            callbacks=[_forwarder(by_key, tell)],
            verbose=0,
        ),
    ).fit()
    shutil.rmtree(scratch, ignore_errors=True)


def _trial(config: Mapping[str, str], work: Mapping[str, tuple[Mapping[str, Any], str]], store_root: str) -> None:
    """What a Ray worker does with one key: the run, reporting its rounds at once and its progress now and then.

    A report returns when the driver has taken it, which may be busy, so a thread of its own does the reporting.
    """
    from ray import tune

    raw, folder = work[config["key"]]
    sent: list[Future[None]] = []
    with ThreadPoolExecutor(1, "reports") as reports:
        tell = throttled(lambda event: sent.append(reports.submit(tune.report, {"event": event})))
        run_one(raw, Path(folder), Path(store_root), tell)
    for report in sent:
        report.result()  # a report that could not be made is a failure of the trial; its rounds are on disk


def throttled(report: Callable[[Event], object], every: float = PROGRESS_EVERY) -> Callable[[Event], None]:
    """Listener that passes on every event, but of Progress events only one in ``every`` seconds."""
    last = -every

    def listen(event: Event) -> None:
        nonlocal last
        if isinstance(event, Progress):
            if time.monotonic() - last < every:
                return
            last = time.monotonic()
        report(event)

    return listen


def _forwarder(jobs: Mapping[str, Job], tell: StudyListener) -> Callback:
    """Tune callback that tells the study's listener, in the driver, what the trials report."""
    from ray.tune import Callback

    class Forwarder(Callback):
        def __reduce__(self) -> tuple[type[Callback], tuple[()]]:
            return Callback, ()  # Tune saves its callbacks to disk; what a copy there would tell, nobody hears

        def on_trial_result(
            self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
        ) -> None:
            if "event" in result:
                tell(trial.config["key"], result["event"])

        def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
            tell(trial.config["key"], RunRetried(failure_of(jobs[trial.config["key"]])))

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
            tell(trial.config["key"], RunEnded(None))

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
            tell(trial.config["key"], RunEnded(failure_of(jobs[trial.config["key"]])))

    return Forwarder()


def failure_of(job: Job) -> str:
    """Reason that the run left in its folder; one that died without a word gets its failure written here."""
    folder = RunFolder(job.folder)
    reason = folder.failure()
    if reason is None:
        folder.fail(DIED, "")
        return DIED
    return reason
