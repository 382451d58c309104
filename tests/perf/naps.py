"""Runs that sleep: a strategy that pauses, and a log of when each process was inside a run.

The driver and Ray's worker processes import this module when they start.
"""

from __future__ import annotations

import os
import time
from typing import Any, ClassVar

import numpy as np

from alseg_core.registry import component
from alseg_core.strategies import STRATEGIES
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection
from bench.launchers import ray_tune, worker

LOG = "ALSEG_NAPS"
"""Environment variable that names the log, to which every run adds a line: start, end, process."""


@component
class Nap(Strategy):
    """Random slices after a pause."""

    paper: ClassVar[str] = "reference, no method"
    seconds: float = 0.7
    """Length of the pause."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        time.sleep(self.seconds)
        return Selection(rng.permutation(view.unlabelled)[:budget])


STRATEGIES.add("nap", Nap)
_run = worker.run_one


def _logged(*arguments: Any, **settings: Any) -> None:
    start = time.time()
    try:
        _run(*arguments, **settings)
    finally:
        with open(os.environ[LOG], "a") as log:
            log.write(f"{start} {time.time()} {os.getpid()}\n")


ray_tune.run_one = _logged  # type: ignore[attr-defined]
