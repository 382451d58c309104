"""What went wrong, in one line that says what to do about it."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path

from alseg_core.errors import AlsegError

FULL = (errno.ENOSPC, errno.EDQUOT)
WRITE_FAILED = re.compile(r"\d+ requested and \d+ written|inline_container\.cc|database or disk is full")
"""How numpy, torch.save and SQLite say it, which drop the system's own error."""
NO_MEMORY = "DefaultCPUAllocator: can't allocate memory"


def reason_of(error: BaseException, place: Path | None = None) -> str:
    """One line for the report: an error of ours in its own words, any other with its type.

    place: where was written, for errors that do not say it.
    """
    first = next(iter(str(error).strip().splitlines()), "")
    if isinstance(error, AlsegError):
        return first
    if (full := disk_full(error, place)) is not None:
        return full
    if type(error).__name__ == "OutOfMemoryError":  # torch's; to import torch for its name takes seconds
        tried = re.search(r"[Tt]ried to allocate [\d.]+ \w+", first)
        return (
            f"GPU out of memory ({tried[0] if tried else first}): let fewer runs share a GPU (raise resources.gpus), "
            f"or lower batch of the trainer or encoder"
        )
    if isinstance(error, MemoryError) or NO_MEMORY in first:
        return f"out of memory ({first}): let fewer runs go on at once (concurrency), or use a machine with more"
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def disk_full(error: BaseException, place: Path | None = None) -> str | None:
    """What to say when the error comes from a full disk or a quota; None when it comes from something else."""
    for cause in _chain(error):
        if (isinstance(cause, OSError) and cause.errno in FULL) or WRITE_FAILED.search(str(cause)):
            where = getattr(cause, "filename", None) or place
            return f"disk full{f': {where}' if where else ''}; free space there and run the same command again"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
