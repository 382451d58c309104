"""Runs that rest: a strategy that sleeps, and a log of when each process was inside a run.

Imported by the driver and by Ray's worker processes when they start.
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
"""File to which every run adds a line: start, end, process."""


@component
class Nap(Strategy):
    """Random slices after a rest."""

    paper: ClassVar[str] = "reference, no method"
    seconds: float = 0.7

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
