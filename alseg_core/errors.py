"""The errors alseg raises on purpose. Each says what was wanted, what came, what exists and what to try."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AlsegError(Exception):
    """Base of every error raised on purpose. Its message is complete: it is shown to users without a traceback."""


class ConfigError(AlsegError):
    """A setting is missing, unknown or out of range."""


class DataError(AlsegError):
    """Scans, labels or their layout on disk are not what the reader expects."""


class SplitError(DataError):
    """The patients at hand cannot be divided as the split says."""


class PoolError(AlsegError):
    """A selection does not fit the pool: re-labelling, over budget, unknown position."""


class ResultsError(AlsegError):
    """A run folder cannot be written, read or continued."""


class MissingPackageError(AlsegError):
    """An optional package is needed and not installed."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Message for a name that does not exist: the nearest existing name first, then all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(names) or 'none'}."
