"""Progress of a study: a live display on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from alseg_core import events
from alseg_core.visible import visible_lines
from bench.planning.forecast import Course, Forecast, wall
from bench.study.job import Job, RunEnded, RunRetried, StudyEvent

PRIOR = 0.2
"""Share of the study after which its own speed and the forecast have equal weight in the estimate of the time left."""


def duration(seconds: float) -> str:
    """Return a duration as text, such as "45 s", "12 min", "3.4 h" or "2.1 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def labels(jobs: Sequence[Job]) -> dict[str, str]:
    """Return the short name of each run by key: recipe and seed, preceded by what differs between the runs."""
    settings = {job.key: job.identity.setting for job in jobs}
    differs = [len(set(values)) > 1 for values in zip(*settings.values(), strict=True)]
    names = {}
    for job in jobs:
        distinct = [part for part, shown in zip(settings[job.key], differs, strict=True) if shown]
        names[job.key] = f"{' '.join([*distinct, job.identity.recipe])}, seed {job.identity.seed}"
    return names


class Display:
    """Progress bars: one for the study, with the time left, and one for each running run, with its round and phase."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            transient=True,
            disable=not self.live,
        )
        self._courses: dict[str, Course] = {}
        self._elapsed: dict[str, float] = {}
        self._places, self._measured = 1, False
        self._tasks: dict[str, TaskID] = {}
        self._dice: dict[str, str] = {}
        self._labels: dict[str, str] = {}
        self._overall: TaskID | None = None
        self._started = time.monotonic()
        self._before = 0.0
        self._ended = 0
        self._failed = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Remove the bars; lines can still be printed."""
        self._progress.stop()

    def say(self, line: str) -> None:
        """Print a line above the progress bars."""
        self.console.print(Text(visible_lines(line)), soft_wrap=True)

    def preparing(self, dataset: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` scans of a dataset have been prepared."""
        if dataset not in self._tasks:
            if not self.live:
                self.say(f"preparing {dataset} ({total} scans)")
            self._tasks[dataset] = self._progress.add_task(f"preparing {dataset}", total=total, note="")
        self._progress.update(self._tasks[dataset], completed=done, note=f"{done} of {total} scans")
        if done >= total:
            self._progress.remove_task(self._tasks.pop(dataset))

    def start(self, jobs: Sequence[Job], forecast: Forecast | None = None) -> None:
        """Start the bar of a study that will execute ``jobs``; without a forecast all rounds count the same."""
        known = forecast.courses if forecast is not None else {}
        self._courses = {job.key: known.get(job.key) or Course.even(job.rounds) for job in jobs}
        self._labels = labels(jobs)
        self._elapsed = {key: course.seconds_of(course.done) for key, course in self._courses.items()}
        self._before = sum(self._elapsed.values())
        if forecast is not None:
            self._places, self._measured = forecast.places or 1, forecast.measured
        self._ended = 0
        self._started = time.monotonic()
        total = sum(course.seconds for course in self._courses.values())
        self._overall = self._progress.add_task("", total=total or 1.0, note="")
        self._total()

    def __call__(self, key: str, event: StudyEvent) -> None:
        """Show an event of the run ``key``; the display is a listener of the study."""
        course = self._courses[key]
        if isinstance(event, events.RunStarted):
            done = len(event.finished)
            self._show(key, done, "started", course.seconds_of(done))
        elif isinstance(event, events.Progress):
            # never backwards: the embedding of the next query may follow the evaluation
            elapsed = max(course.elapsed(event.round, event.phase, event.run_fraction), self._elapsed[key])
            self._show(key, event.round, event.phase, elapsed)
        elif isinstance(event, events.RoundFinished):
            dice = event.record.summary.get("dice")
            self._dice[key] = "" if dice is None else f", Dice {dice:.3f} with {event.record.labelled} slices"
            self._show(key, event.record.round, "finished", course.seconds_of(event.record.round + 1))
        elif isinstance(event, events.Noticed):
            self.say(f"{self._labels[key]}: {event.text}")
        elif isinstance(event, RunRetried):
            self._show(key, 0, "again", 0.0)
            self.say(f"trying again: {self._labels[key]}: {event.reason}")
        elif isinstance(event, RunEnded):
            self._end(key, event.failure)

    def _show(self, key: str, number: int, phase: str, elapsed: float) -> None:
        self._elapsed[key] = elapsed
        course = self._courses[key]
        if key not in self._tasks:
            total = course.seconds or 1.0
            self._tasks[key] = self._progress.add_task(f"  {self._labels[key]}", total=total, note="")
        rounds = len(course.rounds)
        note = f"round {min(number + 1, rounds)} of {rounds}, {phase}"
        self._progress.update(self._tasks[key], completed=elapsed, note=note)
        self._total()

    def _end(self, key: str, failure: str | None) -> None:
        self._elapsed[key] = self._courses[key].seconds
        self._ended += 1
        self._failed += failure is not None
        if key in self._tasks:
            self._progress.remove_task(self._tasks.pop(key))
        if not self.live:
            how = f"finished{self._dice.get(key, '')}" if failure is None else f"failed: {failure}"
            self.say(f"[{self._ended}/{len(self._courses)}] {self._labels[key]}: {how}")
        self._total()

    def _total(self) -> None:
        if self._overall is None:
            return
        passed = time.monotonic() - self._started
        failed = f", {self._failed} failed" if self._failed else ""
        ended = f"{self._ended} of {len(self._courses)} runs{failed}"
        left = self._left(passed)
        note = f"{duration(passed)} elapsed" + ("" if left is None else f", about {duration(left)} left")
        self._progress.update(self._overall, completed=sum(self._elapsed.values()), description=ended, note=note)

    def _left(self, passed: float) -> float | None:
        """Return the seconds left: the forecast corrected by the speed so far; None while it is too early to tell."""
        left = [course.seconds - self._elapsed[key] for key, course in self._courses.items()]
        done = (sum(self._elapsed.values()) - self._before) / self._places
        remaining = wall(left, self._places)
        prior = PRIOR * (done + remaining) if self._measured else 0.0
        if done + prior <= 0.02 * (done + remaining):
            return None
        return remaining * (passed + prior) / (done + prior)
