"""The contract between launchers, which execute runs and trials, and the studies and tunings that need them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from bench.launchers import machine

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from alseg_core.events import Event
    from bench.study import Study
    from bench.study.job import Job, StudyListener


@dataclass(frozen=True)
class Policy:
    """How to execute the runs of a study: folders, resources, parallelism, retries and time limit."""

    folder: Path
    """Folder of the study. Files of the launcher itself belong in its subfolder ``ray``, which reports ignore."""
    store: Path
    """Folder of the store that all runs share."""
    places: int | None = None
    """Number of runs that execute at the same time, as returned by :meth:`Launcher.places`."""
    cpus: int = 1
    """CPU cores of one run, which are also its threads."""
    gpus: float = 0
    """GPUs of one run; 0.5 puts two runs on one GPU."""
    concurrency: int | None = None
    """Largest number of runs at the same time that the study allows; None = no limit."""
    retries: int = 0
    """How often a failed run is tried again."""
    stalled_after: float | None = None
    """Time without progress after which a run counts as failed, in minutes; None = never."""

    @classmethod
    def of(cls, study: Study, folder: Path, store: Path, places: int | None) -> Policy:
        """Policy of a study."""
        wanted = study.resources
        return cls(
            folder,
            store,
            places,
            cpus=wanted.cpus,
            gpus=wanted.gpus,
            concurrency=study.concurrency,
            retries=study.retries,
            stalled_after=study.stalled_after,
        )


class Launcher(Protocol):
    """Executes the runs of a study. Subclass it and write :meth:`run`; the rest assumes runs on this machine.

    One object serves one command. The study calls ``check``, ``places``, then ``start``, and inside its block ``run``.
    """

    @property
    def remote(self) -> str | None:
        """Where runs execute if not on this machine, such as "on the cluster at X"; None = here.

        Training steps are timed here only if runs execute here; the forecast gives no times for a remote launcher.
        """
        return None

    @property
    def starting(self) -> str:
        """What happens before the first run sends an event, for the display."""
        return "starting the first run"

    def check(self, study: Study, configs: Sequence[RunConfig]) -> None:
        """Raise AlsegError if this launcher cannot provide what the study asks for. Called before anything is written.

        Without this check a run might wait forever for a GPU that does not exist.
        """
        machine.check_device(configs)
        machine.check_resources(study)

    def places(self, study: Study, configs: Sequence[RunConfig]) -> int | None:
        """Return how many of the runs ``configs`` will execute at the same time; None if that is not known yet."""
        return machine.places(study, configs)

    def start(self, policy: Policy) -> AbstractContextManager[object]:
        """Return a context manager that holds what the runs need, such as a pool of processes.

        The data are prepared inside its block, before :meth:`run`, so starting may go on in the background.
        """
        return nullcontext()

    @abstractmethod
    def run(self, jobs: Sequence[Job], policy: Policy, tell: StudyListener) -> None:
        """Execute ``jobs`` in their order and return when all have ended.

        Every run is executed by :func:`bench.launchers.worker.run_one`, in any process that sees the run's folder and
        the store. A :class:`bench.launchers.run_queue.RunQueue` says which run is next, applies the retries and passes
        events to ``tell``, which must be called from the thread that called this method.
        """


@dataclass(frozen=True)
class Rung:
    """Result of a trial after one more of its runs."""

    number: int
    """Number of finished runs of the trial."""
    value: float
    """Mean score of these runs; NaN if refused."""
    refused: str | None = None
    """Why the trial's settings cannot be run, which ends the trial; None if they can."""


class TrialAttempt(Protocol):
    """One attempt at one trial of a tuning."""

    @property
    def folder(self) -> Path:
        """Folder of the trial."""
        ...

    def report(self, rung: Rung) -> bool:
        """Record a result and return whether the trial should stop here."""
        ...

    def event(self, run: int, event: Event) -> None:
        """Pass on an event of one of the trial's runs, which count from 0; without events, the display shows less."""
        ...

    def end(self, failure: str | None = None) -> None:
        """Record that the attempt ended.

        failure: why it failed, unless the trial's folder has a more exact reason. An attempt that neither failed nor
        finished nor was stopped counts as interrupted, and the next command continues it.
        """
        ...


class TrialQueue(Protocol):
    """The trials of a tuning, as a launcher sees them. The queue applies the retries."""

    def start(self) -> TrialAttempt | None:
        """Return an attempt at the next trial, or None if none is waiting; see :attr:`over`."""
        ...

    @property
    def over(self) -> bool:
        """Whether no trial is running and none will follow."""
        ...

    def work(
        self,
        folder: Path,
        store: Path,
        stalled_after: float | None,
        tell: Callable[[int, Event], None] | None = None,
    ) -> Iterator[Rung]:
        """Execute the trial in ``folder``, in any process, and yield its results one by one.

        tell: is called with what :meth:`TrialAttempt.event` takes.
        """
        ...


@runtime_checkable
class TrialLauncher(Launcher, Protocol):
    """A launcher that can also execute the trials of a tuning: one that has a method ``search``."""

    def search(self, queue: TrialQueue, policy: Policy) -> None:
        """Execute trials until the queue is over; called inside the block of :meth:`Launcher.start`."""
        ...
