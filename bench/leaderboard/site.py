"""The files beside the page: bundles to download."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from bench.bundle.pack import ENDING
from bench.leaderboard.entry import Entry
from bench.report.output import replacing

FOLDER = "bundles"
"""Folder of the bundles, beside the page."""


def address(entry: Entry) -> str:
    """Return where the page finds the copy of a bundle."""
    return f"{FOLDER}/{entry.name}{ENDING}"


def copy(entry: Entry, site: Path) -> None:
    """Copy a bundle to its address below ``site``, unless it failed: what cannot be trusted is not handed on."""
    if not entry.passed:
        return
    target = site / address(entry)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as new:
        shutil.copyfile(entry.path, new)


def left_over(entries: Iterable[Entry], site: Path) -> list[Path]:
    """Return the bundles below ``site`` that an earlier page had and this one has not."""
    own = {site / address(entry) for entry in entries if entry.passed}
    return [path for path in sorted((site / FOLDER).rglob(f"*{ENDING}")) if path not in own]
