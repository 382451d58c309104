"""One run, the same way whoever calls: this process, a Ray worker on this machine or one on another."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alseg_core.errors import AlsegError
from alseg_core.events import Event, Listener

if TYPE_CHECKING:
    from alseg_core.config import RunConfig


@dataclass(frozen=True)
class Job:
    """One run of a study. raw: its configuration as plain data; folder: its run folder; rounds: how many it has."""

    key: str
    raw: Mapping[str, Any]
    folder: Path
    rounds: int

    @classmethod
    def of(cls, config: RunConfig, study: Path) -> Job:
        """The job of a configuration in the folder of its study."""
        return cls(config.key, config.describe(), study / "runs" / config.key, len(config.budgets))

    def finished(self) -> bool:
        """All rounds are on disk."""
        from alseg_core.results import RunFolder

        return len(RunFolder(self.folder).records()) >= self.rounds


@dataclass(frozen=True)
class RunRetried:
    """A run failed and is started again. reason: of the failure."""

    reason: str


@dataclass(frozen=True)
class RunEnded:
    """A run is over. failure: reason, or None when all its rounds are done."""

    failure: str | None


StudyEvent = Event | RunRetried | RunEnded
StudyListener = Callable[[str, StudyEvent], None]
"""Takes the key of a run and what happened to it."""


def reason_of(error: BaseException) -> str:
    """One line for the report: an error of ours in its own words, any other with its type."""
    first = next(iter(str(error).strip().splitlines()), "")
    if isinstance(error, AlsegError):
        return first
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def run_one(raw: Mapping[str, Any], folder: Path, store_root: Path, listener: Listener | None = None) -> None:
    """Run, or continue, one experiment. A failure is left in the run folder for the report and raised.

    numpy and scipy compute on as many threads as the run asks for, as torch does: by themselves they take all cores.
    """
    from threadpoolctl import threadpool_limits

    from alseg_core.config import RunConfig
    from alseg_core.loop import run
    from alseg_core.results import RunFolder
    from alseg_core.store import Store

    try:
        config = RunConfig.load(raw)
        with threadpool_limits(config.threads):
            run(config, folder, Store(store_root), [listener] if listener else [])
    except Exception as error:
        RunFolder(folder).fail(reason_of(error), traceback.format_exc())
        raise
