"""How much of several tasks is done, and how long the rest takes: the forecast, corrected by the speed so far."""

from __future__ import annotations

import time
from collections.abc import Mapping

from bench.planning.order import wall

PRIOR = 0.2
"""Share of the work after which its own speed and the forecast have equal weight in the estimate of the time left."""


class Pace:
    """Tasks whose durations were forecast, of which ``places`` execute at the same time."""

    def __init__(self, expected: Mapping[str, float], before: Mapping[str, float], places: int, measured: bool) -> None:
        """
        Args:
            expected: forecast of each whole task in seconds, by its key.
            before: how much of these seconds was done by earlier commands, by key.
            places: number of tasks that execute at the same time.
            measured: whether the forecast was measured; if not, its durations only compare with one another.
        """
        self.expected = dict(expected)
        self.done = {key: before.get(key, 0.0) for key in expected}
        self._before = sum(self.done.values())
        self._places, self._measured = places, measured
        self._started: float | None = None
        self._moved = 0.0
        self._told: float | None = None
        self._stale = True

    @property
    def passed(self) -> float:
        """Seconds since the first task began; 0 before."""
        return 0.0 if self._started is None else time.monotonic() - self._started

    @property
    def total(self) -> float:
        """Forecast of all tasks together, in seconds; never 0."""
        return sum(self.expected.values()) or 1.0

    def add(self, key: str, seconds: float) -> None:
        """Add a task that was not foreseen, with its forecast in seconds."""
        self.expected[key], self.done[key] = seconds, 0.0

    def move(self, key: str, done: float) -> None:
        """Record that ``done`` of a task's expected seconds are done."""
        if self._started is None:
            self._started = time.monotonic()
        self.done[key] = done
        self._moved, self._stale = self.passed, True

    def end(self, key: str, failed: bool = False) -> None:
        """Record that a task has ended. What a failed one has left undone no longer counts."""
        if failed:
            self.expected[key] = self.done[key]
        self.move(key, self.expected[key])

    def left(self) -> float | None:
        """Return the seconds left, which pass between two records; None while it is too early to tell.

        They are computed when they are asked for: of thousands of tasks that costs more than an event may.
        """
        if self._stale:
            self._told, self._stale = self.left_after(self._moved), False
        return None if self._told is None else max(0.0, self._told - (self.passed - self._moved))

    def left_after(self, passed: float) -> float | None:
        """Return the seconds left when what is done has taken ``passed`` seconds; None if it is too early to tell."""
        left = [seconds - self.done[key] for key, seconds in self.expected.items()]
        done = (sum(self.done.values()) - self._before) / self._places
        remaining = wall(left, self._places)
        prior = PRIOR * (done + remaining) if self._measured else 0.0
        if done + prior <= 0.02 * (done + remaining):
            return None
        return remaining * (passed + prior) / (done + prior)
