"""Memory of the process, kept where it would otherwise be returned and asked for again with every tensor."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of the settings in glibc's ``malloc.h``; see mallopt(3)."""
LARGEST_KEPT = 32 * 2**20
"""Bytes; the most that glibc accepts. Larger blocks go back to the system."""


def keep_freed() -> bool:
    """Let the process keep what it frees in blocks up to :data:`LARGEST_KEPT`; whether the C library can.

    Layers of a network on the CPU are allocated and freed by the megabyte; glibc returns such blocks, and to get them
    back page by page takes a fifth of a forward pass.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not in every C library
    return mallopt is not None and bool(
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    )
