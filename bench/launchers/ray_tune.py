"""The runs of a study on Ray Tune: every attempt at a run is one of Tune's trials."""

from __future__ import annotations

import pickle
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alseg_core.errors import AlsegError
from alseg_core.events import Event, Progress
from bench.launchers.launcher import Policy
from bench.launchers.ray_cluster import Cluster
from bench.launchers.ray_join import check_sight
from bench.launchers.run_queue import Attempt, RunQueue
from bench.launchers.worker import run_one
from bench.study.job import Job, StudyListener

if TYPE_CHECKING:
    from ray.tune.schedulers import TrialScheduler
    from ray.tune.search import Searcher

PROGRESS_EVERY = 1.0
"""Time between two progress reports of a run, in seconds."""


def execute(jobs: Sequence[Job], policy: Policy, tell: StudyListener, cluster: Cluster) -> None:
    """Execute every job as one of Tune's trials, as :meth:`bench.launchers.launcher.Launcher.run` describes.

    A run whose process or machine is lost continues in another process with its first unfinished round. On a cluster
    all nodes must see the folders of the jobs, the study and the store.
    """
    cluster.wait()
    from ray import tune

    scratch, cpus, gpus = policy.folder / "ray", cluster.cpus(policy.cpus), policy.gpus
    scratch.mkdir(parents=True, exist_ok=True)
    cluster.check(scratch, cpus, gpus)
    queue = RunQueue(jobs, policy.retries, tell)
    # each configuration is pickled by itself: a worker of a study of thousands of runs unpickles only its own
    work = {job.key: (pickle.dumps(job.raw), str(job.folder)) for job in jobs}
    trial = tune.with_parameters(
        _trial, work=work, store_root=str(policy.store), scratch=str(scratch), stalled_after=policy.stalled_after
    )
    # on this machine Tune's own files are away from the results, so that Tune survives when their disk is full
    files = cluster.folder or scratch.absolute()
    tune.Tuner(
        tune.with_resources(trial, {"cpu": cpus, "gpu": gpus}),
        tune_config=tune.TuneConfig(
            search_alg=_searcher(queue, lambda: min(policy.concurrency or len(jobs), cluster.room(cpus, gpus))),
            scheduler=_scheduler(lambda: cluster.places(cpus, gpus)),
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(name="tune", storage_path=str(files), verbose=0),
    ).fit()
    shutil.rmtree(scratch, ignore_errors=True)


def _searcher(queue: RunQueue, room: Callable[[], int]) -> Searcher:
    """Return Tune's searcher, which hands out the runs of a queue, at most ``room()`` at the same time."""
    from ray.tune.search import Searcher

    class QueueSearcher(Searcher):
        def __init__(self) -> None:
            super().__init__()
            self._running: dict[str, Attempt] = {}
            self._reasons: dict[str, str] = {}

        def __reduce__(self) -> tuple[type[Searcher], tuple[()]]:
            return Searcher, ()  # Tune saves it to disk; a study continues from its run folders instead

        def suggest(self, trial_id: str) -> dict[str, str] | str | None:
            if queue.over:
                return str(Searcher.FINISHED)
            if len(self._running) >= room() or (attempt := queue.start()) is None:
                return None
            self._running[trial_id] = attempt
            return {"key": attempt.job.key}

        def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
            if "event" in result:
                self._running[trial_id].event(pickle.loads(result["event"]))
            if "failure" in result:
                self._reasons[trial_id] = result["failure"]

        def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
            attempt, reason = self._running.pop(trial_id), self._reasons.pop(trial_id, None)
            if not error:
                attempt.finished()
            elif reason is not None:
                attempt.failed(reason)
            else:
                attempt.lost()

        def save(self, checkpoint_path: str) -> None:
            pass

    return QueueSearcher()


def _scheduler(places: Callable[[], int]) -> TrialScheduler:
    """Return Tune's scheduler, which starts runs in their order, and lets the worker processes of new nodes start.

    Tune's own gives the process of a run that has ended to the run that waits longest, and drops the process that is
    being started for that one. On a large cluster runs end faster than a process starts, so a node that joins would
    never be used. While there are free places, the process goes to a new run instead. Tune's own also looks through all
    runs that have ended at every event.
    """
    from ray.tune.schedulers import FIFOScheduler

    class PatientScheduler(FIFOScheduler):
        def __init__(self) -> None:
            super().__init__()
            self._order: dict[str, int] = {}

        def __reduce__(self) -> tuple[type[FIFOScheduler], tuple[()]]:
            return FIFOScheduler, ()  # Tune saves it to disk

        def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
            self._order[trial.trial_id] = len(self._order)

        def choose_trial_to_run(self, tune_controller: Any) -> Any:
            live = tune_controller.get_live_trials()
            free = places() - sum(trial.status == "RUNNING" for trial in live)
            waiting = [trial for trial in live if trial.status == "PENDING"]
            if free > 1 or not waiting:  # beside the place of the run that has just ended
                return None
            return min(waiting, key=lambda trial: self._order[trial.trial_id])

    return PatientScheduler()


def _trial(
    config: Mapping[str, str],
    work: Mapping[str, tuple[bytes, str]],
    store_root: str,
    scratch: str,
    stalled_after: float | None,
) -> None:
    """Execute the run ``config["key"]`` in a Ray worker; report its rounds at once and its progress now and then.

    A report blocks until the driver, which may be busy, has taken it, so a separate thread does the reporting. Tune
    keeps the last report of every run: events are pickled, because a record takes six times the memory as an object.
    """
    from ray import tune

    raw, folder = work[config["key"]]
    failure: AlsegError | None = None
    sent: list[Future[None]] = []
    with ThreadPoolExecutor(1, "reports") as reports:
        tell = throttled(lambda event: sent.append(reports.submit(tune.report, {"event": pickle.dumps(event)})))
        try:
            check_sight(Path(scratch))
            run_one(pickle.loads(raw), Path(folder), Path(store_root), tell, stalled_after)
        except AlsegError as error:
            failure = error
            sent.append(reports.submit(tune.report, {"failure": str(error)}))
    for report in sent:
        report.result()  # raises if the report could not be sent; the rounds are on disk
    if failure is not None:
        raise failure  # Tune then ends the process, which may be in a bad state


def throttled(report: Callable[[Event], object], every: float = PROGRESS_EVERY) -> Callable[[Event], None]:
    """Return a listener that passes on every event, but at most one Progress event in ``every`` seconds."""
    last = -every

    def listen(event: Event) -> None:
        nonlocal last
        if isinstance(event, Progress):
            if time.monotonic() - last < every:
                return
            last = time.monotonic()
        report(event)

    return listen
