"""Memory of the process: how much it was, and kept where every tensor would return it and ask for it again."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Numbers of the settings in glibc's ``malloc.h``; see mallopt(3)."""
LARGEST_KEPT = 32 * 2**20
"""Bytes; the most that glibc accepts. Larger blocks go back to the system."""


def keep_freed() -> bool:
    """Let the process keep what it frees in blocks up to :data:`LARGEST_KEPT`; whether the C library can.

    Layers of a network on the CPU are allocated and freed by the megabyte; glibc returns such blocks, and to get them
    back page by page takes a fifth of a forward pass. Threads share what is kept, or each would keep its own.
    """
    mallopt = _of_glibc("mallopt")
    return mallopt is not None and bool(
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1) and mallopt(M_ARENA_MAX, 1)
    )


def return_freed() -> None:
    """Give back to the system what has been kept: the process may go on with something smaller."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def peak_mb() -> int | None:
    """Most memory this process has been resident in, None where the system does not say."""
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
