"""Parts one after another, each in a process and with a time limit of its own.

A process each, because an error of CUDA spoils the context of its process for good, a kernel that hangs can only be
killed, and the peak of memory is then that of the part. The process is a fork of one that has imported everything and
never used the GPU, so that it costs no second import of torch.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Literal

from alseg_core.errors import MissingPackageError
from gpu_check.answer import Answer

Work = Callable[[], Iterator[Answer]]
End = Literal["done", "left out", "failed"]
GRACE = 10.0
"""Seconds that a process may take to end after its last answer."""


@dataclass(frozen=True)
class Outcome:
    """What a part has answered, and how it ended."""

    part: str
    answers: tuple[Answer, ...]
    """All that were measured, also those before a failure."""
    end: End
    reason: str
    """Why it ended early, in one line; empty where it did not."""
    seconds: float
    details: str = ""
    """Traceback of a failure."""


@dataclass(frozen=True)
class _Stopped:
    end: End
    reason: str = ""
    details: str = ""


def run(part: str, work: Work, limit: float) -> Outcome:
    """Run a part for at most ``limit`` seconds; whatever happens in it becomes an outcome."""
    start = time.monotonic()
    if limit <= 0:
        return Outcome(part, (), "left out", "no time was left", 0.0)
    context = get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(work, theirs))
    process.start()
    theirs.close()  # so that the end of the process is seen as the end of the answers
    try:
        answers, stopped = _listen(ours, process, start + limit, limit)
    finally:
        _end(process)
        ours.close()
    seconds = time.monotonic() - start
    return Outcome(part, tuple(answers), stopped.end, stopped.reason, seconds, stopped.details)


def first_line(error: BaseException) -> str:
    """Return an error in one line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _child(work: Work, out: Connection) -> None:
    os.setsid()  # a group of its own, which ends with all processes that the part starts
    try:
        for answer in work():
            out.send(answer)
    except (ModuleNotFoundError, MissingPackageError) as error:
        out.send(_Stopped("left out", first_line(error)))
    except Exception as error:
        out.send(_Stopped("failed", first_line(error), traceback.format_exc()))
    else:
        out.send(_Stopped("done"))


def _listen(answers: Connection, process: BaseProcess, deadline: float, limit: float) -> tuple[list[Answer], _Stopped]:
    got: list[Answer] = []
    while answers.poll(max(0.0, deadline - time.monotonic())):
        try:
            message: Any = answers.recv()
        except EOFError:
            process.join(GRACE)
            return got, _Stopped("failed", f"its process ended with {_exit(process.exitcode)}")
        if isinstance(message, _Stopped):
            return got, message
        got.append(message)
    return got, _Stopped("failed", f"stopped after its limit of {limit:.0f} s")


def _exit(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit status {code}"
    memory = ", as a process is that needs more memory than there is" if -code == signal.SIGKILL else ""
    return f"{signal.Signals(-code).name}{memory}"


def _end(process: BaseProcess) -> None:
    """End a process and all that it started, which a hanging GPU may have left running."""
    assert process.pid is not None
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join(GRACE)
