"""The moving part of the display: bars that fit the height of the terminal, and clocks that tick between events."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from bench.study.durations import clock

TICKS = 2.0
"""Refreshes in a second. With the launcher ``local`` training shares the process, so they must cost next to nothing."""


class Note(ProgressColumn):
    """What is said beside a bar: the field ``note`` of its task, a text or a function that returns one."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))  # where it is narrow, bars get shorter instead

    def render(self, task: Task) -> Text:
        """See rich."""
        note = task.fields["note"]
        return Text(note() if callable(note) else note)


class Bars(Progress):
    """Bars in the order in which they were added; below them the stages, such as "starting Ray", with their clocks.

    A terminal that is too low for all of them shows the first ones and the number of the others.
    """

    def __init__(self, console: Console) -> None:
        self.stages: list[tuple[str, float]] = []
        self._terminal = console  # rich asks for what to show before it has set its own
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.percentage:>3.0f} %"),
            Note(),
            console=console,
            transient=True,
            refresh_per_second=TICKS,
            disable=not console.is_terminal,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """See rich."""
        room = max(2, self._terminal.height - 1 - len(self.stages))
        shown = self.tasks if len(self.tasks) <= room else self.tasks[: room - 1]
        yield self.make_tasks_table(shown)
        if hidden := len(self.tasks) - len(shown):
            yield Text(f"  and {hidden} more; a higher window shows them", no_wrap=True, overflow="ellipsis")
        for what, since in self.stages:
            passed = time.monotonic() - since
            yield Text(f"{what} … {clock(passed)}" if passed >= 1 else f"{what} …", no_wrap=True, overflow="ellipsis")
