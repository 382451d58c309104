"""Files of run folders that may come from elsewhere: nothing in them can hang, fill the memory or lead out of them."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from alseg_core.errors import ResultsError
from alseg_core.visible import visible

JSON_BYTES = 32_000_000
"""Largest study.json, config.json and so on; that of a study of ten thousand runs has 5 MB."""
ROUNDS_BYTES = 100_000_000
"""Largest rounds.jsonl; one row per test volume and class takes about 200 bytes."""
NPZ_BYTES = 32_000_000
"""Largest file of arrays; examples.npz of a run has about 1 MB."""
MOST = {".json": JSON_BYTES, ".jsonl": ROUNDS_BYTES, ".npz": NPZ_BYTES}
"""Ending of a file's name -> its largest size; networks may have any."""
DEPTH = 32
"""Deepest nesting of JSON."""
LARGEST = 10**15
"""Largest absolute value of a number: what is counted or measured stays far below."""


def real(path: Path) -> Path:
    """Return a path without links; links in a circle stay as they are."""
    return Path(os.path.realpath(path))


def within(path: Path, folders: Iterable[Path]) -> bool:
    """Return whether a path leads into one of the folders."""
    return any(real(path).is_relative_to(real(folder)) for folder in folders)


def opened(path: Path, most: int) -> BinaryIO:
    """Open a file of at most ``most`` bytes for reading.

    Raises ResultsError for anything else than a regular file, for a link to another folder and for a larger file, and
    FileNotFoundError where there is none.
    """
    if path.is_symlink() and not within(path, [path.parent]):
        raise ResultsError(f"{path.name} is a link out of its folder, to {real(path)}; put a copy in its place")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer would block
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ResultsError(f"{path.name} cannot be read: {error.strerror}") from None
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise ResultsError(f"{path.name} is not a regular file")
        if facts.st_size > most:
            raise ResultsError(f"{path.name} has {facts.st_size:,} bytes, and at most {most:,} are read")
    except ResultsError:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


def check_folder(folder: Path) -> None:
    """Raise what :func:`opened` raises for any file of a run folder, so that others may read them by their names.

    Folders in it pass: whoever reads one as a file gets an error at once.
    """
    if not folder.is_dir():
        return
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry)
        if entry.is_dir(follow_symlinks=False):
            continue
        with suppress(FileNotFoundError):  # a run that is at work has replaced it
            opened(path, MOST.get(path.suffix, sys.maxsize)).close()


def mapping(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file that holds a mapping, as :func:`plain` data; {} if there is no file.

    Raises ResultsError when it cannot be read.
    """
    try:
        with opened(path, JSON_BYTES) as file:
            content = json.loads(file.read().decode())
    except FileNotFoundError:
        return {}
    except RecursionError:
        raise ResultsError(f"{path.name} is nested too deeply") from None
    except ValueError as error:
        raise ResultsError(f"{path.name} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ResultsError(f"{path.name} holds no mapping")
    try:
        return {visible(key): plain(value) for key, value in content.items()}
    except ResultsError as error:
        raise ResultsError(f"{path.name} {error}") from None


def plain(value: Any, depth: int = DEPTH) -> Any:
    """Return plain data with all texts made :func:`visible`. Raises ResultsError for what no run can have written.

    That is NaN, infinite or huge numbers, and nesting deeper than ``depth``.
    """
    kind = type(value)
    if kind is str:
        return sys.intern(visible(value))  # cases, classes and settings stand in every run
    if kind is float or kind is int:
        if not -LARGEST <= value <= LARGEST:
            raise ResultsError("holds a number that is not finite or too large")
        return value
    if kind is not dict and kind is not list:
        return value
    if not depth:
        raise ResultsError(f"is nested deeper than {DEPTH} levels")
    if kind is dict:
        return {visible(key): plain(inner, depth - 1) for key, inner in value.items()}
    return [plain(inner, depth - 1) for inner in value]
