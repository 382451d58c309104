"""One run of a study, and the events of its life."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alseg_core.events import Event
from bench.study.identity import RunIdentity

if TYPE_CHECKING:
    from alseg_core.config import RunConfig


@dataclass(frozen=True)
class Job:
    """One run of a study."""

    key: str
    """Name of the run folder."""
    raw: Mapping[str, Any]
    """Configuration of the run as plain data."""
    folder: Path
    """Run folder."""
    rounds: int
    """Rounds of the whole run."""

    @classmethod
    def of(cls, config: RunConfig, study: Path) -> Job:
        """Return the job of a configuration, with its run folder below the folder of the study."""
        return cls(config.key, config.describe(), study / "runs" / config.key, len(config.budgets))

    @cached_property
    def identity(self) -> RunIdentity:
        """Dataset, recipe, seed and what else displays and MLflow show."""
        return RunIdentity.read(self.raw)

    def finished(self) -> bool:
        """Return whether all rounds are on disk and undamaged."""
        from alseg_core.errors import ResultsError
        from alseg_core.results import RunFolder

        try:
            return len(RunFolder(self.folder).records()) >= self.rounds
        except ResultsError:
            return False


@dataclass(frozen=True)
class RunRetried:
    """A run failed and starts again. reason: why it failed."""

    reason: str


@dataclass(frozen=True)
class RunEnded:
    """A run has ended. failure: why it failed, or None when all its rounds are done."""

    failure: str | None


StudyEvent = Event | RunRetried | RunEnded
StudyListener = Callable[[str, StudyEvent], None]
"""Called with the key of a run and its event."""
