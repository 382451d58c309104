"""Samples of how much of its machine a run uses, taken while it works."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from alseg_core.device.usage import Meter, append
from alseg_core.events import Event, RoundFinished, RunStarted

EVERY_S = 10.0
"""Time between two samples, in seconds."""
SHARE = 0.01
"""Least time between two samples as a share of the time so far, so that days of work are some hundred lines."""


class Sampler:
    """Records samples in the run folder until the end of its ``with`` block; it is a listener of the run.

    The first event of the run starts its thread, as the folder then is there and locked. Each finished round is a
    sample too, taken before listeners that come later learn of the round. A file that cannot be written is left.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._over = threading.Event()
        self._turn = threading.Lock()
        self._meter: Meter | None = None
        self._thread = threading.Thread(target=self._watch, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._meter is not None:
            self._thread.join()

    def __call__(self, event: Event) -> None:
        """Take notice of an event of the run."""
        if isinstance(event, RunStarted) and len(event.finished) < len(event.budgets):
            self._meter = Meter()
            self._thread.start()
        elif isinstance(event, RoundFinished):
            self._sample()

    def _watch(self) -> None:
        start = time.monotonic()
        while not self._over.wait(max(EVERY_S, SHARE * (time.monotonic() - start))):
            self._sample()

    def _sample(self) -> None:
        with self._turn, suppress(OSError):
            if self._meter is not None:
                append(self._folder, self._meter.read())
