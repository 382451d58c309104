"""Files that appear together, so that a command that is killed does not mix its files with those of the one before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alseg_core.atomic import check_no_folder

UNFINISHED = "unfinished.tmp"
"""Folder in which files are written, until all are there."""


@contextmanager
def together(folder: Path, last: str) -> Iterator[Path]:
    """Yield an empty folder whose files move to ``folder`` at the end of the block, unless the block raises.

    They replace files of the same names, and others stay. ``last`` is the name of a file among them, which is removed
    before the first one moves, and moved after all others: where it is, all files are of one command. Raises
    ResultsError if a folder has the name of a file.
    """
    half = folder / UNFINISHED
    shutil.rmtree(half, ignore_errors=True)  # what a kill has left
    half.mkdir(parents=True)
    try:
        yield half
        files = [path for path in sorted(half.rglob("*")) if path.is_file() and path != half / last]
        targets = {path: folder / path.relative_to(half) for path in [*files, half / last]}
        for target in targets.values():
            check_no_folder(target)
        (folder / last).unlink(missing_ok=True)
        for path, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
    finally:
        shutil.rmtree(half, ignore_errors=True)
