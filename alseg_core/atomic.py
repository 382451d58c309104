"""Writing files whole: readers see the old or the new content, even after a power cut."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from alseg_core.errors import ResultsError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that gets the name ``path`` at the end of the block, unless the block raises.

    Until then it is ``<name>.tmp`` beside it. Raises ResultsError if one of the two names is that of a folder.
    """
    temporary = path.with_name(path.name + ".tmp")
    for place in (path, temporary):
        check_no_folder(place)
    temporary.unlink(missing_ok=True)  # what a kill has left; writing would follow a link and wait at a pipe
    with temporary.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def check_no_folder(path: Path) -> None:
    """Raise ResultsError if a folder has the name of a file."""
    if path.is_dir() and not path.is_symlink():
        raise ResultsError(f"{path} is a folder, where a file belongs; move it away.")


def write_atomic(path: Path, text: str) -> None:
    """Write a text file in UTF-8, as :func:`replacing` does."""
    with replacing(path) as file:
        file.write(text.encode())
