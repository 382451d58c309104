"""Errors that alseg raises on purpose. Messages name what was expected, what was given, what exists and what to try."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AlsegError(Exception):
    """Base of all errors raised on purpose; users see the message without a traceback."""


class ConfigError(AlsegError):
    """A setting is missing, unknown or out of range."""


class DataError(AlsegError):
    """Scans, labels or their layout on disk differ from what the reader expects."""


class SplitError(DataError):
    """The patients cannot be divided as the split demands."""


class PoolError(AlsegError):
    """A selection does not fit the pool: repeated, over budget, or an unknown position."""


class ResultsError(AlsegError):
    """A run folder cannot be written, read or continued."""


class MissingPackageError(AlsegError):
    """An optional package is required and not installed."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for an unknown name: the nearest existing name first, then all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(names) or 'none'}."
