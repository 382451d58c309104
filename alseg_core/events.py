"""Events of a running experiment. A listener is any callable that takes one event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alseg_core.vocabulary import RoundRecord


@dataclass(frozen=True)
class RunStarted:
    """The data are ready."""

    budgets: tuple[int, ...]
    """Cumulative labelled slices of each round."""
    pool: int
    """Training slices."""
    finished: tuple[RoundRecord, ...]
    """Rounds that were finished before."""


@dataclass(frozen=True)
class Progress:
    """Progress of the run."""

    round: int
    """Number of the round, from 0."""
    phase: str
    """Current phase: "select", "embed 40%", "train" or "evaluate 20%"."""
    run_fraction: float
    """Share of the run's training that is done, 0..1."""
    round_fraction: float = 0.0
    """Share of the round's training that is done, 0..1."""


@dataclass(frozen=True)
class RoundFinished:
    """The record of a round is on disk."""

    record: RoundRecord


@dataclass(frozen=True)
class Noticed:
    """Something that the user should know, such as a damaged file that was made again."""

    text: str
    """One line."""


Event = RunStarted | Progress | RoundFinished | Noticed
Listener = Callable[[Event], None]
"""Called with every event of a run."""


class Announcer:
    """Passes the events of one run on to its listeners."""

    def __init__(self, listeners: Sequence[Listener], steps: Sequence[int]) -> None:
        """steps: training steps of one network in each round."""
        self.listeners = tuple(listeners)
        self.steps = tuple(steps)

    def emit(self, event: Event) -> None:
        """Pass an event on to every listener."""
        for listener in self.listeners:
            listener(event)

    def progress(self, number: int, phase: str, done: float = 0.0) -> None:
        """Announce the phase of round ``number``, of whose training the share ``done`` is done."""
        share = (sum(self.steps[:number]) + done * self.steps[number]) / sum(self.steps)
        self.emit(Progress(number, phase, share, done))
