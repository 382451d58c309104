"""Several processes that do the same at the same time on one device."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from alseg_core.errors import AlsegError
from gpu_check.runner import first_line

Prepared = Callable[[], Any]
PATIENCE = 120.0
"""Seconds that a process waits for the others to be ready."""


@dataclass(frozen=True)
class Timed:
    """What a number of processes took."""

    seconds: float
    """From the moment when all were ready until the last one was done."""
    results: list[Any]
    """What each of them returned."""


def at_once(count: int, prepare: Callable[[], Prepared]) -> Timed:
    """Run ``prepare()`` and then what it returns in ``count`` processes; only the latter is timed.

    The calling process must not have used the GPU, as the others are its forks. Raises AlsegError when one of them
    fails: which, and why.
    """
    context = get_context("fork")
    ready = context.Barrier(count)
    pipes = [context.Pipe(duplex=False) for _ in range(count)]
    processes = [context.Process(target=_one, args=(prepare, ready, theirs)) for _, theirs in pipes]
    for process in processes:
        process.start()
    for _, theirs in pipes:
        theirs.close()
    found: list[tuple[float, float, Any]] = []
    waiting = {number: ours for number, (ours, _) in enumerate(pipes, start=1)}
    while waiting:
        answered = wait(list(waiting.values()))  # the first to fail is the cause, and the others follow
        for number, ours in [(n, c) for n, c in waiting.items() if c in answered]:
            del waiting[number]
            try:
                message: Any = ours.recv()
            except EOFError:
                message = "its process ended without an answer"
            if isinstance(message, str):
                ready.abort()
                raise AlsegError(f"process {number} of {count}: {message}")
            found.append(message)
    for process in processes:
        process.join()
    starts, ends, results = zip(*found, strict=True)
    return Timed(max(ends) - min(starts), list(results))


def _one(prepare: Callable[[], Prepared], ready: Any, out: Connection) -> None:
    try:
        work = prepare()
        ready.wait(PATIENCE)
        start = time.monotonic()  # one clock for all processes of a machine
        result = work()
        out.send((start, time.monotonic(), result))
    except Exception as error:
        out.send(first_line(error))
