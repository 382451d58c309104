"""Finding the bundles of a leaderboard."""

from __future__ import annotations

import os
import re
from pathlib import Path

from alseg_core.errors import ResultsError
from alseg_core.visible import visible
from bench.bundle.pack import ENDING

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Names of folders and bundles: the same on every disk, in every address and in every alphabet."""


def bundles(folder: Path) -> dict[str, Path]:
    """Return name -> file of all bundles below a folder, by name; the name is the path below it without the ending.

    Raises ResultsError if there is no such folder, it cannot be read, or a name is none of :data:`NAME`.
    """
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        raise ResultsError(f"{folder} {what}; a leaderboard is made of a folder with bundles, NAME{ENDING}.")
    found = {}
    for place, below, files in os.walk(folder, onerror=_unreadable):
        below.sort()
        for file in files:
            if file.endswith(ENDING):
                path = Path(place) / file
                parts = path.relative_to(folder).parts
                if not all(map(NAME.fullmatch, parts)):
                    raise ResultsError(
                        f"{visible(str(path), 300)}: names of bundles and their folders have letters of English, "
                        "digits, '.', '_' and '-' only, as they are addresses of a page; rename it."
                    )
                found["/".join(parts).removesuffix(ENDING)] = path
    return dict(sorted(found.items()))


def _unreadable(error: OSError) -> None:
    raise ResultsError(f"{error.filename} cannot be read ({error.strerror}); make it readable, or move it away.")
