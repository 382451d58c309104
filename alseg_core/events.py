"""What a running experiment tells its listeners. A listener is any callable that takes one event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from alseg_core.vocabulary import RoundRecord


@dataclass(frozen=True)
class RunStarted:
    """The data are ready.

    budgets: cumulative labelled slices of each round. pool: training slices. finished: rounds found done.
    """

    budgets: tuple[int, ...]
    pool: int
    finished: tuple[RoundRecord, ...]


@dataclass(frozen=True)
class Progress:
    """How far the run is.

    phase: what is going on ("select", "embed 40%", "train", "evaluate 20%"). run_fraction: share of the run's training
    that is done, 0..1.
    """

    round: int
    phase: str
    run_fraction: float


@dataclass(frozen=True)
class RoundFinished:
    """The round's record is on disk."""

    record: RoundRecord


Event = RunStarted | Progress | RoundFinished
Listener = Callable[[Event], None]
