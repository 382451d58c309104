"""Reasons of failures: one line that names the cause and what to do about it."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path

from alseg_core.errors import AlsegError

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a full disk and of an exhausted quota."""
WRITE_FAILED = re.compile(r"\d+ requested and \d+ written|inline_container\.cc|database or disk is full")
"""Messages of numpy, torch.save and SQLite when the disk is full; they drop the system's own error number."""
NO_MEMORY = "DefaultCPUAllocator: can't allocate memory"
"""Part of torch's message when the main memory is exhausted."""


def reason_of(error: BaseException, place: Path | None = None) -> str:
    """Return the reason of an error in one line: the message of an AlsegError, any other message with its type.

    place: the folder that was written to, for errors of a full disk that do not name a file.
    """
    first = next(iter(str(error).strip().splitlines()), "")
    if isinstance(error, AlsegError):
        return first
    if (full := disk_full(error, place)) is not None:
        return full
    if type(error).__name__ == "OutOfMemoryError":  # torch's; importing torch for its class would take seconds
        tried = re.search(r"[Tt]ried to allocate [\d.]+ \w+", first)
        return (
            f"GPU out of memory ({tried[0] if tried else first}): let fewer runs share a GPU (raise resources.gpus), "
            f"or lower batch of the trainer or encoder"
        )
    if isinstance(error, MemoryError) or NO_MEMORY in first:
        return f"out of memory ({first}): let fewer runs execute at once (concurrency), or use a machine with more"
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def disk_full(error: BaseException, place: Path | None = None) -> str | None:
    """Return the reason of an error that a full disk or a quota has caused; None for any other error."""
    for cause in _chain(error):
        if (isinstance(cause, OSError) and cause.errno in FULL) or WRITE_FAILED.search(str(cause)):
            where = getattr(cause, "filename", None) or place
            return f"disk full{f': {where}' if where else ''}; free space there and run the same command again"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its cause, the cause of that one, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
