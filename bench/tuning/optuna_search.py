"""Optuna's trials as a queue for a launcher: the next trial, whether a trial is worth continuing, and its outcome.

The whole state is in Optuna's storage: a tuning that was killed continues with the same trials, and if they run one at
a time, it proposes the same settings as without the interruption.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from alseg_core.events import Event
from bench.launchers.launcher import Rung
from bench.tuning.trial import TrialFolder, work
from bench.tuning.trials import Trials

if TYPE_CHECKING:
    from optuna import Trial

Prepare = Callable[["Trial"], Path | None]
"""Writes the folder of a trial and returns it; None if the settings are invalid, which it records."""

Keep = Callable[["Trial", Path], None]
"""Called with a trial and its folder just before the end of the trial is recorded, after which Optuna takes nothing."""

Report = Callable[[int, str], None]
"""Called with the number of a trial and its outcome on one line."""


class Watch(Protocol):
    """Listener for the progress of trials."""

    def started(self, number: int) -> None:
        """Trial ``number`` has started, or started again."""
        ...

    def event(self, number: int, run: int, event: Event) -> None:
        """A run of trial ``number`` has sent an event."""
        ...


class OptunaQueue:
    """Continues the trials that were left running, then asks for new ones until there are enough.

    See :class:`bench.launchers.launcher.TrialQueue`. One command starts no more trials than were missing when it began,
    so that failing trials are not replaced endlessly.
    """

    work = staticmethod(work)

    def __init__(
        self,
        trials: Trials,
        rungs: int,
        retries: int,
        prepare: Prepare,
        report: Report,
        watch: Watch | None = None,
        keep: Keep | None = None,
    ) -> None:
        """rungs: number of runs of a trial that is not stopped early. retries: of a trial that fails."""
        self.watch = watch
        self._trials, self._rungs, self._retries = trials, rungs, retries
        self._prepare, self._report, self._keep = prepare, report, keep
        self._left = deque(trials.left_running())
        self._allowed = len(self._left) + max(0, trials.wanted())
        self._again: deque[OptunaAttempt] = deque()
        self._running = 0

    @property
    def over(self) -> bool:
        """Whether no trial is running and none will follow."""
        return not (self._running or self._again or self._allowed)

    def start(self) -> OptunaAttempt | None:
        """Return an attempt at the next trial, or None if there is none at the moment."""
        if attempt := self._again.popleft() if self._again else self._next():
            self._running += 1
            if self.watch is not None:
                self.watch.started(attempt.trial.number)
        return attempt

    def _next(self) -> OptunaAttempt | None:
        while self._allowed and (self._left or self._trials.wanted() > 0):
            trial = self._left.popleft() if self._left else self._trials.ask()
            folder = self._prepare(trial)
            if folder is not None:
                self._allowed -= 1
                return OptunaAttempt(self, trial, folder, self._retries)
            self._report(trial.number, self._trials.outcome(trial.number))
        self._allowed = 0
        return None

    def poor(self, trial: Trial, rung: Rung) -> bool:
        """Record a result and return whether the trial is poor compared with the others and has runs left."""
        return self._trials.reached(trial, rung.number, rung.value) and rung.number < self._rungs

    def end(self, attempt: OptunaAttempt, failure: str | None) -> None:
        """Record the end of an attempt; an interrupted trial stays as it is and continues with the next command."""
        self._running -= 1
        trial, last = attempt.trial, attempt.last
        if failure is not None and attempt.retries:
            self._again.append(replace(attempt, retries=attempt.retries - 1))
            return
        judged = last is not None and (last.refused is not None or last.number == self._rungs)
        if failure is None and not judged and not attempt.stopped:
            return
        if self._keep is not None:
            self._keep(trial, attempt.folder)
        if failure is not None:
            self._trials.failed(trial, TrialFolder(attempt.folder).failure() or failure)
        elif last is not None and last.refused is not None:
            self._trials.refused(trial, last.refused)
        elif last is not None and last.number == self._rungs:
            self._trials.completed(trial, last.value)
        else:
            self._trials.stopped(trial)
        self._report(trial.number, self._trials.outcome(trial.number))


@dataclass(eq=False)
class OptunaAttempt:
    """One attempt at one trial; see :class:`bench.launchers.launcher.TrialAttempt`."""

    queue: OptunaQueue
    """The queue that the attempt belongs to."""
    trial: Trial
    """Optuna's trial."""
    folder: Path
    """Folder of the trial."""
    retries: int
    """Number of further attempts if this one fails."""
    last: Rung | None = field(default=None, init=False)
    """The last result."""
    stopped: bool = field(default=False, init=False)
    """Whether the trial was stopped early."""

    def report(self, rung: Rung) -> bool:
        """Record a result and return whether the trial should stop here."""
        self.last = rung
        if rung.refused is None and self.queue.poor(self.trial, rung):
            self.stopped = True
        return self.stopped

    def event(self, run: int, event: Event) -> None:
        """Pass on an event of one of the trial's runs, which count from 0."""
        if self.queue.watch is not None:
            self.queue.watch.event(self.trial.number, run, event)

    def end(self, failure: str | None = None) -> None:
        """Record that the attempt ended, with the reason if it failed."""
        self.queue.end(self, failure)
