"""A leaderboard that is a folder: bundles > entries > tables > one page that needs no network. See bench/README.md."""

from __future__ import annotations

from pathlib import Path

from alseg_core.errors import ResultsError
from bench.leaderboard.entry import Entry
from bench.leaderboard.gather import bundles
from bench.study import foreign

__all__ = ["PAGE", "Entry", "write"]

PAGE = "index.html"
"""Name of the page."""


def write(folder: Path, site: Path) -> list[Entry]:
    """Check all bundles below ``folder``, write the page about them to the folder ``site``, and return what was found.

    The bundles that pass are copied beside the page; one that fails is listed with its reason. The same bundles give
    the same bytes. Raises ResultsError if there is no such folder, a name that cannot be an address, or if ``site``
    cannot be written, would be read as results, or has a page of somebody else.
    """
    from bench.leaderboard.entry import read
    from bench.leaderboard.page import page
    from bench.leaderboard.site import copy
    from bench.report.output import prepare, write_text

    found = bundles(folder)
    if foreign.within(site, [folder]):
        raise ResultsError(
            f"{site} is in {folder}, where the copies of the bundles would be read as further results; choose another "
            "folder with --out FOLDER."
        )
    if _of_others(site / PAGE):
        raise ResultsError(f"{site / PAGE} is no page of a leaderboard and stays; choose another folder with --out.")
    prepare(site)
    entries = [_shown(read(path, name)) for name, path in found.items()]
    try:
        for entry in entries:
            copy(entry, site)
        write_text(site / PAGE, page(entries))
    except OSError as error:
        place = error.filename or site
        raise ResultsError(f"{place} cannot be written ({error.strerror}); choose another with --out FOLDER.") from None
    return entries


def _of_others(page: Path) -> bool:
    """Return whether there is a page that no leaderboard has written."""
    from bench.leaderboard.page import MARK

    return page.is_file() and MARK.encode() not in page.read_bytes()


def _shown(entry: Entry) -> Entry:
    """Return a bundle, or why no page can be made of it: it must not take the page of the others with it."""
    from bench.leaderboard.entry import reason
    from bench.leaderboard.page import page

    try:
        page([entry])
    except Exception as error:  # files of a stranger can fail anywhere
        return entry.failed(reason(error))
    return entry
