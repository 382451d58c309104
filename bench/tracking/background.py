"""Tracking in a background thread, so that it costs a study no time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.study.job import Job
from bench.tracking.server import tracking_uri
from bench.tracking.tracker import Tracker
from bench.tracking.trouble import reason, shown

GATHER = 5.0
"""How long to gather changes before sending, in seconds, so that many short rounds are sent at once."""
PAUSE = 30.0
"""How long to wait before retrying a store that fails, in seconds."""
FAULTS = 3
"""Consecutive failures after which the store is considered down, rather than one run unsendable."""
WORD = 10.0
"""Interval of progress messages at the end, in seconds."""


class Background:
    """Track a study in the background; a slow, locked or unreachable store affects nothing but tracking.

    What could not be sent is retried later, at the latest in :meth:`finish`.
    """

    def __init__(self, tracker: Tracker, jobs: Sequence[Job]) -> None:
        self.tracker = tracker
        self.jobs = {job.key: job for job in jobs}
        self.failures: dict[str, str] = {}
        self._changes: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._left: dict[str, str | None] = {}  # run -> why it could not be sent, if it was tried
        self._ending = threading.Event()
        self._closed = False
        self._killed = False
        self._report: Path | None = None
        self._fault: str | None = None
        self._faults = 0
        self.sent = 0  # number of times a run was brought up to date
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def changed(self, key: str, failure: str | None = None) -> None:
        """Note that the run's folder has something new, or that the run has failed."""
        if failure is not None:
            self.failures[key] = failure
        self._changes.put(key)

    def finish(self, report: Path, seconds: float, say: Callable[[str], None] | None = None) -> str | None:
        """Send what is missing and the report; give up when no run arrives for ``seconds``.

        say: called with a progress message every ten seconds. Returns what was not tracked and why, or None.
        """
        self._report = report
        for key in self.jobs:
            self._changes.put(key)
        return self._wait(seconds, say)

    def interrupted(self, seconds: float) -> str | None:
        """Mark the unfinished runs of an interrupted study as killed, within ``seconds``."""
        self._killed = True
        return self._wait(seconds, None)

    def _wait(self, seconds: float, say: Callable[[str], None] | None) -> str | None:
        self._ending.set()
        self._changes.put(None)
        sent, moved, spoke = self.sent, time.monotonic(), time.monotonic()
        while self._thread.is_alive() and (now := time.monotonic()) - moved < seconds:
            self._thread.join(min(0.1, seconds))
            if self.sent > sent and not self._killed:
                sent, moved = self.sent, now
            if say is not None and now - spoke > WORD:
                say(f"MLflow: {len(self._left)} of {len(self.jobs)} runs still to be sent to {shown(self._uri)}")
                spoke = now
        if self._closed:
            return None
        missing = f"{len(self._left)} of {len(self.jobs)} runs" if self._left else "the report"
        return f"{missing} not tracked in {shown(self._uri)}: {self.trouble or f'no answer within {seconds:g} s'}"

    @property
    def trouble(self) -> str | None:
        """Why something could not be sent so far, or None."""
        return next(filter(None, dict(self._left).values()), self._fault)

    @property
    def _uri(self) -> str:
        return tracking_uri(self.tracker.out)

    def _work(self) -> None:
        while not self._ending.is_set():
            self._gather()
            self._send()
        self._drain()
        if self._killed:
            for key in filter(self.tracker.started, self.jobs):
                self._left.setdefault(key)
        self._send(last=True)
        try:
            status = "KILLED" if self._killed else "FAILED" if self.failures else "FINISHED"
            if self._faults < FAULTS:
                self.tracker.close(self._report, status)
                self._closed = not self._left
        except Exception as error:
            self._fault = reason(error, self._uri)

    def _gather(self) -> None:
        """Wait for changes, or until it is time to retry what failed."""
        try:
            if (key := self._changes.get(timeout=PAUSE if self._left else None)) is not None:
                self._left.setdefault(key)
        except queue.Empty:
            return
        self._ending.wait(PAUSE if self._faults >= FAULTS else GATHER)
        self._drain()

    def _drain(self) -> None:
        while not self._changes.empty():
            if (key := self._changes.get()) is not None:
                self._left.setdefault(key)

    def _send(self, last: bool = False) -> None:
        """Try once to send each changed run; after a failure of the store, start with a single run."""
        self._faults = min(self._faults, FAULTS - 1)
        unfinished = "KILLED" if last and self._killed else "RUNNING"
        for key in list(self._left):
            if self._faults >= FAULTS or (self._ending.is_set() and not last):
                break
            try:
                self.tracker.sync(self.jobs[key], self.failures.get(key), unfinished)
            except Exception as error:  # whatever the store raises must not reach the study
                self._left[key] = reason(error, self._uri)
                self._faults += 1
            else:
                del self._left[key]
                self._faults = 0
                self.sent += 1
