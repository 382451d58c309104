"""The trials of a tuning on Ray Tune: every attempt at a trial is one of Tune's trials.

Ray's own bridge to Optuna is not used: it reports a trial that was stopped early as completed, and its early stopping
forgets earlier trials with the process. Here the queue decides what to try and when to stop.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from alseg_core.events import Event
from bench.launchers.launcher import Policy, Rung, TrialAttempt, TrialQueue
from bench.launchers.ray_cluster import Cluster
from bench.launchers.ray_join import check_sight
from bench.launchers.ray_tune import throttled
from bench.launchers.run_queue import DIED


def search(queue: TrialQueue, policy: Policy, cluster: Cluster) -> None:
    """Execute trials until the queue is over. The cluster must be up.

    On a cluster all nodes must see the folders of the study and the store.
    """
    scratch, cpus = policy.folder / "ray", cluster.cpus(policy.cpus)
    scratch.mkdir(parents=True, exist_ok=True)
    cluster.check(scratch, cpus, policy.gpus)

    def room() -> int:
        fitting = cluster.room(cpus, policy.gpus)
        return fitting if policy.concurrency is None else min(policy.concurrency, fitting)

    searcher = QueueSearcher(queue, room)
    trial = tune.with_parameters(
        _trial, work=queue.work, store=str(policy.store), scratch=str(scratch), stalled_after=policy.stalled_after
    )
    tune.Tuner(
        tune.with_resources(trial, {"cpu": cpus, "gpu": policy.gpus}),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=QueueScheduler(searcher),
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(name="tune", storage_path=str(cluster.folder or scratch.absolute()), verbose=0),
    ).fit()
    shutil.rmtree(scratch, ignore_errors=True)


class QueueSearcher(Searcher):
    """Tune's searcher: hands out the attempts of a queue, at most ``room()`` at the same time."""

    def __init__(self, queue: TrialQueue, room: Callable[[], int]) -> None:
        super().__init__()
        self._queue, self._room = queue, room
        self._running: dict[str, TrialAttempt] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the folder of the next trial as its configuration, or None while there is no room for it."""
        if len(self._running) >= self._room():
            return None
        attempt = self._queue.start()
        if attempt is None:
            return str(Searcher.FINISHED) if self._queue.over else None
        self._running[trial_id] = attempt
        return {"folder": str(attempt.folder)}

    def report(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Record a result and return whether the trial should stop."""
        if "event" in result:
            self._running[trial_id].event(*result["event"])
        rung = result.get("rung")
        return isinstance(rung, Rung) and self._running[trial_id].report(rung)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Record the end of an attempt."""
        self._running.pop(trial_id).end(DIED if error else None)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Do nothing: the scheduler has recorded the result."""

    def __reduce__(self) -> tuple[type[Searcher], tuple[()]]:
        return Searcher, ()  # Tune saves its parts to disk; the queue needs none of that

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the queue keeps its own state."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: the queue keeps its own state."""


class QueueScheduler(FIFOScheduler):
    """Tune's scheduler: stops the trials that the queue wants to stop."""

    def __init__(self, searcher: QueueSearcher) -> None:
        super().__init__()
        self._searcher = searcher

    def __reduce__(self) -> tuple[type[FIFOScheduler], tuple[()]]:
        return FIFOScheduler, ()

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return whether the trial continues or stops."""
        stop = self._searcher.report(trial.trial_id, result)
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)


def _trial(
    config: Mapping[str, str],
    work: Callable[..., Any],
    store: str,
    scratch: str,
    stalled_after: float | None,
) -> None:
    """Execute a trial in a Ray worker and report its results, and its progress now and then.

    A report returns when the trial should continue. All come from one thread, so that events need not wait for it.
    """
    check_sight(Path(scratch))
    with ThreadPoolExecutor(1, "reports") as reports:
        passes: dict[int, Callable[[Event], None]] = {}

        def tell(run: int, event: Event) -> None:
            if run not in passes:
                passes[run] = throttled(lambda event: reports.submit(tune.report, {"event": (run, event)}))
            passes[run](event)

        for rung in work(Path(config["folder"]), Path(store), stalled_after, tell):
            reports.submit(tune.report, {"rung": rung}).result()
