"""Volumes stored as one file per slice."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from alseg_core.data.readers.reader import CaseRef
from alseg_core.errors import DataError

T = TypeVar("T")


def files_of(folder: Path, suffix: str) -> list[Path]:
    """Return the files of a folder with that suffix (in any case), in the order of the numbers in their names.

    Hidden files are left out. The list is empty if the folder does not exist.
    """
    if not folder.is_dir():
        return []
    files = [path for path in folder.iterdir() if path.suffix.lower() == suffix and not path.name.startswith(".")]
    return sorted(files, key=_by_number)


def _by_number(path: Path) -> tuple[list[str | int], str]:
    """Return a sort key of text and numbers in turn: 9 comes before 10 whether or not names are padded."""
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path.name


def numbered(part: str, paths: Sequence[Path]) -> dict[str, Path]:
    """Return entries "<part>/0000", "<part>/0001", ... for :attr:`CaseRef.files`, one per slice."""
    return {f"{part}/{i:04d}": path for i, path in enumerate(paths)}


def slices_of(ref: CaseRef, part: str) -> list[Path]:
    """Return the files that :func:`numbered` entered, in order."""
    return [ref.files[name] for name in sorted(ref.files) if name.startswith(f"{part}/")]


def read_each(paths: Sequence[Path], read: Callable[[Path], T]) -> tuple[list[T], list[str]]:
    """Read every file; return the results, and the messages of the files for which ``read`` raises DataError."""
    done, problems = [], []
    for path in paths:
        try:
            done.append(read(path))
        except DataError as error:
            problems.append(str(error))
    return done, problems
