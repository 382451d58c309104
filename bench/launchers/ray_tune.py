"""A study on Ray Tune: every attempt at a run is one trial."""

from __future__ import annotations

import pickle
import shutil
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alseg_core.errors import AlsegError
from alseg_core.events import Event, Progress
from alseg_core.results import RunFolder
from bench.launchers.ray_cluster import Cluster, check_sight, shared
from bench.launchers.worker import run_one
from bench.study.job import Job, RunEnded, RunRetried, StudyListener

if TYPE_CHECKING:
    from ray.tune.search import Searcher

PROGRESS_EVERY = 1.0
"""Seconds between two progress reports of a run."""
RESTARTS = 5
"""Times that a run is started again because its process or machine was lost, beside the retries of its failures."""
DIED = "the worker process died without a word; it was killed, or its machine was lost or is out of memory"


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
    stalled_after: float | None = None,
) -> None:
    """Run every job as a trial; a run that fails is tried again ``retries`` times, then its reason is recorded.

    A run whose process or machine is lost goes on elsewhere at its last finished round, up to ``RESTARTS`` times.
    scratch: folder for Ray's own files. On a cluster all nodes must see the folders of jobs, store and scratch.
    cpus, gpus: of one run. concurrency: runs at once, None = as many as fit. stalled_after: see
    :func:`bench.launchers.worker.run_one`.
    """
    cluster.wait()
    from ray import tune

    cpus = cluster.cpus(cpus)
    scratch.mkdir(parents=True, exist_ok=True)
    cluster.check(scratch, cpus, gpus)
    attempts = Attempts(jobs, retries, tell, lambda: min(concurrency or len(jobs), cluster.room(cpus, gpus)))
    # pickled one by one: a worker of a study of thousands holds no more than bytes of the others
    work = {job.key: (pickle.dumps(job.raw), str(job.folder)) for job in jobs}
    trial = tune.with_parameters(
        _trial, work=work, store_root=str(store_root), scratch=str(scratch), stalled_after=stalled_after
    )
    with _own_files(scratch) as files:
        tune.Tuner(
            tune.with_resources(trial, {"cpu": cpus, "gpu": gpus}),
            tune_config=tune.TuneConfig(
                search_alg=_searcher(attempts),
                num_samples=-1,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(name="tune", storage_path=str(files), verbose=0),
        ).fit()
    shutil.rmtree(scratch, ignore_errors=True)


def _own_files(scratch: Path) -> AbstractContextManager[str | Path]:
    """Folder for what Tune writes: where the results are not, so that a full disk there leaves it at work.

    On a cluster it must be one that all nodes see.
    """
    if shared():
        return nullcontext(scratch.absolute())
    return tempfile.TemporaryDirectory(prefix="alseg-tune-", ignore_cleanup_errors=True)


class Attempts:
    """What runs next, and what becomes of a run that fails or is lost. Tells the listener; knows nothing of Ray.

    room: says for how many runs there are places. Runs start in the order of the jobs, those started again before them.
    """

    def __init__(self, jobs: Sequence[Job], retries: int, tell: StudyListener, room: Callable[[], int]) -> None:
        self._jobs = {job.key: job for job in jobs}
        self._retries, self._tell, self._room = retries, tell, room
        self._waiting = deque(self._jobs)
        self._running: dict[str, str] = {}  # attempt -> key
        self._reasons: dict[str, str] = {}  # attempt -> why it failed
        self._failed: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()

    @property
    def over(self) -> bool:
        """Nothing runs and nothing waits."""
        return not self._waiting and not self._running

    def start(self, attempt: str) -> str | None:
        """Key of the run that ``attempt`` is at, or None when there is no room or nothing waits."""
        if not self._waiting or len(self._running) >= self._room():
            return None
        key = self._running[attempt] = self._waiting.popleft()
        with suppress(OSError):  # what is there afterwards was left by this attempt
            (self._jobs[key].folder / "failure.json").unlink(missing_ok=True)
        return key

    def hear(self, attempt: str, report: Mapping[str, Any]) -> None:
        """A report of an attempt: an event of the run, or the reason of its failure."""
        if "event" in report:
            self._tell(self._running[attempt], report["event"])
        if "failure" in report:
            self._reasons[attempt] = report["failure"]

    def end(self, attempt: str, whole: bool) -> None:
        """An attempt is over. whole: the run went through; if not, it is started again or given up."""
        key = self._running.pop(attempt)
        if whole:
            self._tell(key, RunEnded(None))
            return
        folder = RunFolder(self._jobs[key].folder)
        reason = self._reasons.pop(attempt, None) or folder.failure()
        count, limit = (self._lost, RESTARTS) if reason is None else (self._failed, self._retries)
        count[key] += 1
        if reason is None:
            reason = DIED
            with suppress(OSError):  # of a full disk; the report says it all the same
                folder.fail(reason, "")
        if count[key] > limit:
            self._tell(key, RunEnded(reason))
        else:
            self._waiting.appendleft(key)
            self._tell(key, RunRetried(reason))


def _searcher(attempts: Attempts) -> Searcher:
    """The attempts as what Tune asks for configurations and tells what it hears."""
    from ray.tune.search import Searcher

    class Queue(Searcher):
        def __reduce__(self) -> tuple[type[Searcher], tuple[()]]:
            return Searcher, ()  # Tune saves it to disk; a study goes on from its run folders instead

        def suggest(self, trial_id: str) -> dict[str, str] | str | None:
            if attempts.over:
                return str(Searcher.FINISHED)
            key = attempts.start(trial_id)
            return None if key is None else {"key": key}

        def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
            attempts.hear(trial_id, result)

        def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
            attempts.end(trial_id, not error)

        def save(self, checkpoint_path: str) -> None:
            pass

    return Queue()


def _trial(
    config: Mapping[str, str],
    work: Mapping[str, tuple[bytes, str]],
    store_root: str,
    scratch: str,
    stalled_after: float | None,
) -> None:
    """What a Ray worker does with one key: the run, reporting its rounds at once and its progress now and then.

    A report returns when the driver has taken it, which may be busy, so a thread of its own does the reporting.
    """
    from ray import tune

    raw, folder = work[config["key"]]
    failure: AlsegError | None = None
    sent: list[Future[None]] = []
    with ThreadPoolExecutor(1, "reports") as reports:
        tell = throttled(lambda event: sent.append(reports.submit(tune.report, {"event": event})))
        try:
            check_sight(Path(scratch))
            run_one(pickle.loads(raw), Path(folder), Path(store_root), tell, stalled_after)
        except AlsegError as error:
            failure = error
            sent.append(reports.submit(tune.report, {"failure": str(error)}))
    for report in sent:
        report.result()  # a report that could not be made is a failure of the trial; its rounds are on disk
    if failure is not None:
        raise failure  # Tune ends the process of a trial that raises, and whatever is wrong with it


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
