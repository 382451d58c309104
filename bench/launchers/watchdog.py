"""A time limit for runs that hang."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from alseg_core.errors import AlsegError
from alseg_core.events import Event, Progress, RoundFinished

GRACE_S = 30.0
"""How long an interrupted main thread may take to leave the block before the process ends, in seconds."""
SIGNAL = signal.SIGURG
"""Signal that interrupts the main thread. By default it is ignored, so that one that comes too late does no harm."""


class TimeLimitError(AlsegError):
    """A run made no progress for too long."""


class Watchdog:
    """End the run in its ``with`` block after ``minutes`` without an event or a call of :meth:`alive`; None = never.

    It is a listener of the run. In the main thread the block raises TimeLimitError. Another thread cannot be
    interrupted, nor can the main one inside compiled code: then ``fail`` is called with the reason and the stacks of
    all threads, and the whole process ends. Compiled code that holds the interpreter's lock stops the watchdog too.
    """

    def __init__(self, minutes: float | None, fail: Callable[[str, str], None]) -> None:
        self._minutes, self._fail = minutes, fail
        self._where = "at its start"
        self._last = time.monotonic()
        self._over = threading.Event()
        self._main = threading.current_thread() is threading.main_thread()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._before: Any = None

    def __enter__(self) -> Self:
        if self._minutes is not None:
            if self._main:
                self._before = signal.signal(SIGNAL, self._interrupt)
            self.alive()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._minutes is not None:
            self._thread.join()
            if self._main:
                signal.signal(SIGNAL, self._before)

    def __call__(self, event: Event) -> None:
        """Record the progress of the run; the watchdog is one of its listeners."""
        if isinstance(event, Progress):
            self._where = f"in round {event.round + 1}, {event.phase}"
        elif isinstance(event, RoundFinished):
            self._where = f"after round {event.record.round + 1}"
        self.alive()

    def alive(self) -> None:
        """Record that the run is still making progress, although it has sent no event."""
        self._last = time.monotonic()

    def _watch(self) -> None:
        assert self._minutes is not None
        while (left := self._last + 60 * self._minutes - time.monotonic()) > 0:
            if self._over.wait(left):
                return
        stacks = _stacks()
        if self._main:
            signal.pthread_kill(threading.main_thread().ident or 0, SIGNAL)
            if self._over.wait(GRACE_S):
                return
        with suppress(OSError):
            self._fail(self._reason(), stacks)
        if self._main:
            print(f"{self._reason()}; it cannot be interrupted, so the whole command ends", file=sys.stderr)
        os._exit(1)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if not self._over.is_set():
            raise TimeLimitError(self._reason())

    def _reason(self) -> str:
        return f"no progress for {self._minutes:g} min {self._where}: time limit (stalled_after={self._minutes:g})"


def _stacks() -> str:
    """Return the stacks of all threads as text."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
    )
