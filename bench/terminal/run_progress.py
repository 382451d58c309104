"""Progress of the runs of a study: their events as bars and lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from alseg_core import events
from bench.planning.forecast import Course, Forecast
from bench.study.durations import clock
from bench.study.job import Job, RunEnded, RunRetried, StudyEvent
from bench.terminal.pace import Pace
from bench.terminal.progress import Display


def labels(jobs: Sequence[Job]) -> dict[str, str]:
    """Return the short name of each run by key: recipe and seed, preceded by what differs between the runs."""
    settings = {job.key: job.identity.setting for job in jobs}
    differs = [len(set(values)) > 1 for values in zip(*settings.values(), strict=True)]
    names = {}
    for job in jobs:
        distinct = [part for part, shown in zip(settings[job.key], differs, strict=True) if shown]
        names[job.key] = f"{' '.join([*distinct, job.identity.recipe])}, seed {job.identity.seed}"
    return names


class RunProgress:
    """Shows the runs of a study on a display: a listener of the study."""

    def __init__(
        self,
        display: Display,
        jobs: Sequence[Job],
        forecast: Forecast | None = None,
        first: str | None = None,
        names: Mapping[str, str] | None = None,
        earlier: int = 0,
    ) -> None:
        """
        Args:
            display: where to show them.
            jobs: the runs that will be executed.
            forecast: their expected courses; without it all rounds count the same.
            first: what happens before the first run starts, such as "starting Ray".
            names: name of each run of the study by key; by default :func:`labels`.
            earlier: number of further runs of the study that are finished.
        """
        known = forecast.courses if forecast is not None else {}
        self.display = display
        self._courses = {job.key: known.get(job.key) or Course.even(job.rounds) for job in jobs}
        known_names = labels(jobs) if names is None else names
        self._labels = {job.key: known_names[job.key] for job in jobs}
        self._done = {key: course.seconds_of(course.done) for key, course in self._courses.items()}
        self._dice: dict[str, str] = {}
        self._since: dict[str, float] = {}
        places, measured = (1, False) if forecast is None else (forecast.places or 1, forecast.measured)
        expected = {key: course.seconds for key, course in self._courses.items()}
        display.begin("runs", self._labels, Pace(expected, self._done, places, measured), earlier)
        self._end_first: Callable[[], None] = display.begin_stage(first) if first and jobs else lambda: None

    def __call__(self, key: str, event: StudyEvent) -> None:
        """Show an event of the run ``key``."""
        self._end_first()
        course = self._courses[key]
        if isinstance(event, events.RunStarted):
            self._since.setdefault(key, time.monotonic())
            self._show(key, len(event.finished), "started", course.seconds_of(len(event.finished)))
        elif isinstance(event, events.Progress):
            # never backwards: the embedding of the next query may follow the evaluation
            done = max(course.elapsed(event.round, event.phase, event.run_fraction), self._done[key])
            self._show(key, event.round, event.phase, done)
        elif isinstance(event, events.RoundFinished):
            dice = event.record.summary.get("dice")
            self._dice[key] = "" if dice is None else f", Dice {dice:.3f} with {event.record.labelled} slices"
            self._show(key, event.record.round, "finished", course.seconds_of(event.record.round + 1))
        elif isinstance(event, events.Noticed):
            self.display.say(f"{self._labels[key]}: {event.text}")
        elif isinstance(event, RunRetried):
            self._show(key, 0, "again", 0.0)
            self.display.say(f"trying again: {self._labels[key]}: {event.reason}")
        elif isinstance(event, RunEnded):
            if event.failure is not None:
                self.display.end(key, f"failed: {event.failure}", failed=True)
                return
            since = self._since.get(key)  # None for a launcher that passes no events on
            took = "" if since is None else f" in {clock(time.monotonic() - since)}"
            self.display.end(key, f"finished{took}{self._dice.get(key, '')}")

    def _show(self, key: str, number: int, phase: str, done: float) -> None:
        self._done[key] = done
        rounds = len(self._courses[key].rounds)
        self.display.move(key, done, f"round {min(number + 1, rounds)} of {rounds}, {phase}")
