"""Errors that alseg raises on purpose. Messages name what was expected, what was given, what exists and what to try."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from alseg_core.visible import visible_lines

SHOWN = 80
"""Most characters of a value in a message."""


class AlsegError(Exception):
    """Base of all errors raised on purpose; users see the message without a traceback.

    Its text can be shown anywhere: characters that a terminal would obey are escaped.
    """

    def __str__(self) -> str:
        return visible_lines(super().__str__())


class ConfigError(AlsegError):
    """A setting is missing, unknown or out of range."""


class FieldError(ConfigError):
    """Fields are unknown or have a wrong value, whatever the others are."""


class DataError(AlsegError):
    """Scans, labels or their layout on disk differ from what the reader expects."""


class SplitError(DataError):
    """The patients cannot be divided as the split demands."""


class PoolError(AlsegError):
    """A selection does not fit the pool: repeated, over budget, or an unknown position."""


class ResultsError(AlsegError):
    """A run folder cannot be written, read or continued."""


class LabelsAwaited(AlsegError):
    """Annotators have not given all the labels yet that a round asked for.

    slices: (case, z) of those that are missing.
    """

    def __init__(self, slices: Sequence[tuple[str, int]]) -> None:
        super().__init__(f"{len(slices)} slices are not annotated yet: {some([f'{case} {z}' for case, z in slices])}.")
        self.slices = tuple(slices)


class MissingPackageError(AlsegError):
    """An optional package is required and not installed."""


def shown(value: Any) -> str:
    """Return a value as a message shows it: as YAML has it, and cut short if it is long."""
    words = {True: "true", False: "false", None: "null"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 20]} ... ({len(text)} characters)"


def some(names: Sequence[str], most: int = 10) -> str:
    """Return names in a list; of a longer one than ``most`` the first ones and the number of the others."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def plural(count: int, noun: str) -> str:
    """Return a number with its noun: "1 seed" or "1,200 seeds"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def unknown_name(kind: str, name: Any, known: Iterable[str]) -> str:
    """Return the message for an unknown name: the nearest existing name first, then all of them.

    kind: what the name stands for, and perhaps where, "preset of dataset 'acdc'".
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name)[:SHOWN], names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    what, of, owner = kind.partition(" of ")
    return f"unknown {what} {shown(name)}{of}{owner}.{hint} Known: {', '.join(names) or 'none'}."
