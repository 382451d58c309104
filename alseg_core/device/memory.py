"""Memory of the process: its peak, and keeping freed blocks for reuse."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Parameter numbers of mallopt(3), from glibc's ``malloc.h``."""
LARGEST_KEPT = 32 * 2**20
"""Size of the largest block to keep, in bytes; the maximum of glibc. Larger blocks go back to the system."""


def keep_freed() -> bool:
    """Let the process keep freed blocks of up to :data:`LARGEST_KEPT`; return whether the C library supports it.

    Layers of a network on the CPU are allocated and freed by the megabyte. By default glibc returns such blocks to the
    system, and getting them back page by page takes a fifth of a forward pass. Threads share one arena, so that each
    does not keep its own blocks.
    """
    mallopt = _of_glibc("mallopt")
    return mallopt is not None and bool(
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1) and mallopt(M_ARENA_MAX, 1)
    )


def return_freed() -> None:
    """Return kept blocks to the system, for a process that goes on with less memory."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def peak_mb() -> int | None:
    """Return the peak resident memory of this process in MB, or None if the system does not report it."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _of_glibc(name: str) -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    function: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None)  # not in every C library
    return function
