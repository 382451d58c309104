"""Which run is next, and what happens to a run that fails or is lost: the same retries for every launcher."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from alseg_core.events import Event
from bench.study.job import Job, RunEnded, RunRetried, StudyListener

RESTARTS = 5
"""How often a run is started again because its process or machine was lost, in addition to the retries of failures."""
DIED = "the worker process ended without an error: it was killed, or its machine was lost or ran out of memory"
"""Reason of a run that was lost."""


class RunQueue:
    """The runs of a study that have not ended yet; it reports what happens to them to ``tell``.

    Runs start in the order of ``jobs``; a run that is tried again goes before those that wait.
    """

    def __init__(self, jobs: Sequence[Job], retries: int, tell: StudyListener) -> None:
        self.tell = tell
        self._retries = retries
        self._waiting = deque(jobs)
        self._running = 0
        self._failed: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()

    @property
    def over(self) -> bool:
        """Whether no run is running and none is waiting."""
        return not self._waiting and not self._running

    def start(self) -> Attempt | None:
        """Return an attempt at the next run, or None if none is waiting; a running one may fail and wait again."""
        if not self._waiting:
            return None
        job = self._waiting.popleft()
        self._running += 1
        with suppress(OSError):  # so that a failure found later belongs to this attempt
            (job.folder / "failure.json").unlink(missing_ok=True)
        return Attempt(job, self)

    def end(self, job: Job, failure: str | None = None, lost: bool = False) -> None:
        """End an attempt at a run: the run has ended, or waits again. Launchers call the methods of the attempt."""
        self._running -= 1
        if failure is None:
            self.tell(job.key, RunEnded(None))
            return
        count, limit = (self._lost, RESTARTS) if lost else (self._failed, self._retries)
        count[job.key] += 1
        if count[job.key] > limit:
            self.tell(job.key, RunEnded(failure))
        else:
            self._waiting.appendleft(job)
            self.tell(job.key, RunRetried(failure))


@dataclass(frozen=True, eq=False)
class Attempt:
    """One attempt at one run. A launcher calls :meth:`event` any number of times, then one of the other methods."""

    job: Job
    """The run to execute."""
    queue: RunQueue
    """The queue that the attempt belongs to."""

    def event(self, event: Event) -> None:
        """Pass on an event of the run; without events, display and tracking only see the run's end."""
        self.queue.tell(self.job.key, event)

    def finished(self) -> None:
        """Record that the run has finished."""
        self.queue.end(self.job)

    def failed(self, reason: str) -> None:
        """Record that the run raised an error, which uses up one retry."""
        self.queue.end(self.job, reason)

    def lost(self) -> None:
        """Record that the run's process or machine is gone, which uses up one restart.

        If a failure is recorded in the run's folder, as the time limit does before it ends the process, it counts as
        that failure.
        """
        from alseg_core.results import RunFolder  # imports torch, and the names of launchers are wanted without

        folder = RunFolder(self.job.folder)
        if (reason := folder.failure()) is not None:
            self.failed(reason)
            return
        folder.fail(DIED, "")
        self.queue.end(self.job, DIED, lost=True)
