"""A study on Ray Tune: one trial a run, here or on the cluster that RAY_ADDRESS names. The only door to Ray."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alseg_core.errors import AlsegError, ConfigError
from alseg_core.events import Event, Progress
from alseg_core.results import RunFolder
from bench.worker import Job, RunEnded, RunRetried, StudyListener, run_one

if TYPE_CHECKING:
    from ray.tune import Callback

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_DEDUP_LOGS": "1",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "60",
}
PROGRESS_EVERY = 1.0
"""Seconds between two progress reports of a run."""
DIED = "the worker process died without a word; it was killed, or the machine is out of memory"


def execute(
    jobs: Sequence[Job],
    store_root: Path,
    retries: int,
    tell: StudyListener,
    scratch: Path,
    cpus: int = 1,
    gpus: float = 0,
    concurrency: int | None = None,
) -> None:
    """Run every job as a trial; a trial that fails is retried ``retries`` times, then its reason is recorded.

    scratch: folder for Ray's own files. On a cluster all nodes must see the folders of jobs, store and scratch.
    cpus, gpus: of one trial. concurrency: trials at once, None = as many as fit.
    """
    if not jobs:
        return
    with _ray():
        import ray
        from ray import tune

        there = ray.cluster_resources()
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


@contextmanager
def _ray() -> Iterator[None]:
    """Ray started, or the running cluster joined, and nothing of it on the terminal."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    for name in ("ray", "ray.tune", "ray.train", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    shared = bool(os.environ.get("RAY_ADDRESS"))
    own = {} if shared else {"num_cpus": os.cpu_count(), "include_dashboard": False}
    try:
        ray.init(log_to_driver=False, logging_level=logging.CRITICAL, ignore_reinit_error=True, **own)
    except (OSError, RuntimeError, ValueError) as error:
        wanted = f"the cluster at RAY_ADDRESS={os.environ['RAY_ADDRESS']} cannot be joined" if shared else "no Ray here"
        raise AlsegError(
            f"{wanted}: {next(iter(str(error).splitlines()), '')} Try --local to run without Ray."
        ) from None
    # Ray prints word of dead workers past every public setting; the run's failure says it in our display
    ray._private.worker._worker_logs_enabled = False
    try:
        yield
    finally:
        ray.shutdown()


def _trial(config: Mapping[str, str], work: Mapping[str, tuple[Mapping[str, Any], str]], store_root: str) -> None:
    """What a Ray worker does with one key: the run, reporting its rounds at once and its progress now and then."""
    from ray import tune

    raw, folder = work[config["key"]]
    run_one(raw, Path(folder), Path(store_root), throttled(lambda event: tune.report({"event": event})))


def throttled(report: Callable[[Event], None], every: float = PROGRESS_EVERY) -> Callable[[Event], None]:
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
