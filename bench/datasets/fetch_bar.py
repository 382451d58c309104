"""Progress of a download: a bar on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from alseg_core.visible import visible
from bench.datasets.transfer import DOWNLOADING

if TYPE_CHECKING:
    from rich.console import Console

LINES = 10
"""Lines that a download of known size prints where there is no terminal."""
STEP = 100_000_000
"""Bytes from one line to the next while the size is unknown."""


class FetchBar:
    """The progress of one dataset; call it with (phase, bytes done, bytes in total), where a total of 0 is unknown."""

    def __init__(self, name: str, console: Console) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.progress import TransferSpeedColumn as SpeedColumn

        self._name, self._console = name, console
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            SpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(f"{name}: connecting", total=None)
        self._phase, self._line = "", -1

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Show how far the phase is."""
        if phase != self._phase:
            self._phase, self._line = phase, -1
            self._bar.reset(self._task, description=f"{self._name}: {phase}")
        self._bar.update(self._task, completed=done, total=total or None)
        if not self._console.is_terminal:
            self._print(phase, done, total)

    def _print(self, phase: str, done: int, total: int) -> None:
        if phase != DOWNLOADING:  # takes seconds
            line, far = 0, size(total)
        elif total:
            line, far = done * LINES // total, f"{size(done)} of {size(total)} ({100 * done // total} %)"
        else:
            line, far = done // STEP, size(done)
        if line != self._line:
            self._line = line
            self._console.print(visible(f"{self._name}: {phase}, {far}"), markup=False, highlight=False, soft_wrap=True)


def size(count: int) -> str:
    """Return a number of bytes as text, such as "891 MB"."""
    from rich.filesize import decimal

    return f"{count / 1e6:,.0f} MB" if count >= 1e7 else str(decimal(count))
