"""Progress of the trials of a tuning: bars and lines on a display."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from alseg_core.events import Event, Progress, RoundFinished
from bench.planning.forecast import Course
from bench.study.durations import clock
from bench.terminal.pace import Pace

if TYPE_CHECKING:
    from bench.terminal.progress import Display


class TrialProgress:
    """Shows the trials that one command runs."""

    def __init__(
        self,
        display: Display,
        courses: Sequence[Course],
        left: int,
        finished: int,
        places: int | None,
        measured: bool,
        first: str,
    ) -> None:
        """
        Args:
            display: where to show them.
            courses: expected courses of the runs of a trial, one per seed.
            left: number of trials to run.
            finished: number of trials that earlier commands finished.
            places: number of trials that execute at the same time; None if unknown.
            measured: whether the courses are in seconds.
            first: what happens before the first trial starts, such as "starting Ray".
        """
        self._display, self._courses = display, courses
        self._free = [str(number) for number in reversed(range(left))]
        self._keys: dict[int, str] = {}
        self._since: dict[int, float] = {}
        self._done: dict[int, float] = {}
        self._labels = {key: f"trial {key}" for key in self._free}
        self._whole = sum(course.seconds for course in courses)
        pace = Pace(dict.fromkeys(self._labels, self._whole), {}, places or 1, measured)
        display.begin("trials", self._labels, pace, earlier=finished)
        self._end_first: Callable[[], None] = display.begin_stage(first)

    def started(self, number: int) -> None:
        """Show that a trial has started, or started again."""
        self._since.setdefault(number, time.monotonic())
        self._done[number] = 0.0
        self._show(number, 0, "started")

    def event(self, number: int, run: int, event: Event) -> None:
        """Show an event of a run of a trial, whose runs count from 0."""
        self._end_first()
        course = self._courses[run]
        before = sum(course.seconds for course in self._courses[:run])
        if isinstance(event, Progress):
            done = before + course.elapsed(event.round, event.phase, event.run_fraction)
            self._done[number] = max(done, self._done[number])
            self._show(number, run, f"round {event.round + 1} of {len(course.rounds)}, {event.phase}")
        elif isinstance(event, RoundFinished):
            self._done[number] = before + course.seconds_of(event.record.round + 1)

    def ended(self, number: int, outcome: str, own: bool, failed: bool) -> None:
        """Show the outcome of a trial. own: whether its settings are the recipe's own."""
        self._end_first()
        key = self._key(number)
        if own:
            self._labels[key] += " (own settings)"
        since = self._since.pop(number, None)
        took = "" if since is None else f", {clock(time.monotonic() - since)}"
        self._display.end(key, f"{outcome}{took}", failed)

    def _show(self, number: int, run: int, what: str) -> None:
        note = f"seed {run + 1} of {len(self._courses)}, {what}"
        self._display.move(self._key(number), self._done[number], note)

    def _key(self, number: int) -> str:
        """Return the key of a trial; numbers are known only once Optuna has given them out.

        Trials can be more than were left: one that fails does not count, so one that is refused may take its place.
        """
        if number not in self._keys:
            key = self._free.pop() if self._free else str(len(self._labels))
            new = key not in self._labels
            self._keys[number], self._labels[key] = key, f"trial {number}"
            if new:
                self._display.add(key, self._whole)
        return self._keys[number]
