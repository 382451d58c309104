"""One run of a study, and what happens to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alseg_core.events import Event

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
