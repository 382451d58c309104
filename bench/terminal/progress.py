"""What a terminal shows while something runs: bars and clocks there, a few plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import TaskID
from rich.text import Text

from alseg_core.visible import visible_lines
from bench.study.durations import clock, duration
from bench.study.typeable import typeable
from bench.terminal.bars import Bars
from bench.terminal.pace import Pace

SILENCE_S = 600.0
"""How long a display without a terminal says nothing while tasks run, in seconds."""


class Display:
    """Lines that stay; below them on a terminal one bar for everything and one for each task that is running."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = console.is_terminal
        self.started = time.monotonic()
        self._bars = Bars(console)
        self._tasks: dict[str, TaskID] = {}
        self._labels: Mapping[str, str] = {}
        self.pace = Pace({}, {}, 1, measured=False)
        self._kind = "runs"
        self._overall: TaskID | None = None
        self._ended = self._count = self._failed = 0
        self._spoke = self._began = self.started

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def passed(self) -> float:
        """Seconds since the display was made."""
        return time.monotonic() - self.started

    def stop(self) -> None:
        """Remove the bars; lines can still be printed."""
        self._bars.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to others in the block, such as the bar of a download."""
        self._bars.stop()
        yield
        self._bars.start()

    def say(self, line: str, fold: bool = False) -> None:
        """Print a line above the bars; text from files and libraries may be given as it is.

        fold: break lines between words on a terminal; a command that is broken cannot be copied.
        """
        self.show(Text(typeable(visible_lines(line))), soft_wrap=not (fold and self.live))

    def show(self, what: RenderableType, soft_wrap: bool = False) -> None:
        """Print what is made for a console, such as a table, above the bars."""
        self._spoke = time.monotonic()
        self.console.print(what, soft_wrap=soft_wrap, crop=False)  # a command that is cut off cannot be copied

    @contextmanager
    def stage(self, what: str, log: bool = True) -> Iterator[None]:
        """Show in the block what is going on, such as "measuring this machine", with a clock.

        log: whether to print it where there is no terminal.
        """
        end = self.begin_stage(what, log)
        try:
            yield
        finally:
            end()

    def begin_stage(self, what: str, log: bool = True) -> Callable[[], None]:
        """Show what is going on, as in :meth:`stage`, until the returned function is called for the first time."""
        stage = what, time.monotonic()
        if log and not self.live:
            self.say(what)
        self._bars.stages.append(stage)
        self._bars.refresh()

        def end() -> None:
            if stage in self._bars.stages:
                self._bars.stages.remove(stage)

        return end

    def preparing(self, dataset: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` scans of a dataset have been prepared."""
        self.counting(f"preparing {dataset}", "scans", done, total)

    def counting(self, what: str, things: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` things, such as scans, are done of what is going on."""
        if what not in self._tasks:
            if not self.live:
                self.say(f"{what} ({total} {things})")
            self._tasks[what] = self._bars.add_task(what, total=total, note="")
        self._bars.update(self._tasks[what], completed=done, note=f"{done} of {total} {things}")
        if done >= total:
            self._bars.remove_task(self._tasks.pop(what))

    def begin(self, kind: str, labels: Mapping[str, str], pace: Pace, earlier: int = 0) -> None:
        """Show the bar of all tasks.

        Args:
            kind: what the tasks are, in the plural, such as "runs".
            labels: name of each task by its key; one that changes later is shown in the next line.
            pace: expected durations of the same keys.
            earlier: number of further tasks that earlier commands have finished.
        """
        self._kind, self._labels, self.pace = kind, labels, pace
        self._ended, self._count, self._failed = earlier, earlier + len(labels), 0
        if self._overall is not None:
            self._bars.remove_task(self._overall)
        self._began = time.monotonic()
        self._overall = self._bars.add_task(self._so_far(), total=pace.total, note=self._time)
        self._total()

    def add(self, key: str, seconds: float) -> None:
        """Count one task more than foreseen, which the labels name by now; ``seconds``: its expected duration."""
        self.pace.add(key, seconds)
        self._count += 1

    def move(self, key: str, done: float, note: str) -> None:
        """Show that ``done`` of a task's expected seconds are done, and what it is doing."""
        self.pace.move(key, done)
        if key not in self._tasks:
            total = self.pace.expected[key] or 1.0
            self._tasks[key] = self._bars.add_task(f"  {self._labels[key]}", total=total, note=note)
        self._bars.update(self._tasks[key], completed=done, note=note)
        self._total()
        if not self.live and time.monotonic() - self._spoke > SILENCE_S:
            self.say(f"{self._so_far()}: {self._time()}")

    def end(self, key: str, outcome: str, failed: bool = False) -> None:
        """Remove the bar of a task and print its outcome; without a terminal also the time left."""
        self.pace.end(key, failed)
        self._ended += 1
        self._failed += failed
        if key in self._tasks:
            self._bars.remove_task(self._tasks.pop(key))
        rest = "" if self.live else f" ({self._time()})"
        self.say(f"[{self._ended}/{self._count}] {self._labels[key]}: {outcome}{rest}")
        self._total()

    def _so_far(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._ended} of {self._count} {self._kind}{failed}"

    def _time(self) -> str:
        left = None if self._ended == self._count else self.pace.left()
        elapsed = f"{clock(time.monotonic() - self._began)} elapsed"
        return elapsed if left is None or left < 1 else f"{elapsed}, about {duration(left)} left"

    def _total(self) -> None:
        if self._overall is not None and self.live:  # sums over all tasks are for a bar that is seen
            done = sum(self.pace.done.values())
            self._bars.update(self._overall, completed=done, total=self.pace.total, description=self._so_far())
