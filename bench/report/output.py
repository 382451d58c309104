"""Writing the files of a report: each appears whole, and only in the folder that was meant."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from alseg_core.errors import ResultsError

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of what spreadsheet programs take for a formula."""


def prepare(folder: Path) -> None:
    """Create the folder of a report. Raises ResultsError if no file can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ResultsError(
            f"{error.filename or folder} cannot be written ({error.strerror}); choose another with --out FOLDER."
        ) from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a new path to write to; the file replaces ``path``, be it a link or a pipe, and not what is behind it."""
    new = path.with_name(f".new-{path.name}")
    new.unlink(missing_ok=True)
    try:
        yield new
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV. Texts that a spreadsheet program would compute get a leading apostrophe."""
    quoted = table.rename(columns=_quoted)
    for at, (_, column) in enumerate(table.items()):
        if column.dtype.kind not in "biuf":
            quoted.isetitem(at, column.map(_quoted).to_numpy())
    with replacing(path) as new:
        quoted.to_csv(new, index=False)


def _quoted(value: object) -> object:
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
