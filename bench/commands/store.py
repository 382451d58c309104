"""``alseg store``: show and clean the store that runs share."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alseg_core.visible import visible
from bench.commands.group import OUT, Group

if TYPE_CHECKING:
    from alseg_core.store import Entry, Store

DAY_S = 86400.0
"""Length of a day, in seconds."""


class Amount(click.FloatRange):
    """A finite number of at least 0; nan compares as neither more nor less than anything."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; fail for anything else."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"a finite number was wanted, got {value!r}.", param, ctx)
        return number


@click.group(cls=Group)
def store() -> None:
    """Prepared data, encoders and trainings that runs share."""


@store.command("show")
@OUT
def show(out: Path) -> None:
    """Show what the store of OUT contains: kinds, entries, size, last use."""
    from rich.console import Console
    from rich.filesize import decimal
    from rich.table import Table
    from rich.text import Text

    found = _open(out)
    kinds: dict[str, list[Entry]] = {}
    for entry in found.entries():
        kinds.setdefault(entry.kind, []).append(entry)
    table = Table("kind", "entries", "size", "oldest use", "last use", show_edge=False)
    for kind, entries in sorted(kinds.items()):
        total = decimal(sum(entry.bytes for entry in entries))
        table.add_row(Text(visible(kind)), str(len(entries)), total, _day(entries[0].used), _day(entries[-1].used))
    Console().print(table)
    left = found.leftovers()
    if left:
        total = decimal(sum(entry.bytes for entry in left))
        click.echo(f"left behind by processes that were killed: {len(left)}, {total}; alseg store clean deletes that")


@store.command("clean")
@OUT
@click.option("--max-gb", type=Amount(), metavar="N", help="Delete until the store has at most N GB.")
@click.option("--older-than", type=Amount(), metavar="DAYS", help="Delete entries not used for this many days.")
@click.option("--dry-run", is_flag=True, help="Print what would be deleted, and delete nothing.")
def clean(out: Path, max_gb: float | None, older_than: float | None, dry_run: bool) -> None:
    """Delete leftovers and entries of the store of OUT, least recently used first.

    Entries that a run is using or making stay. Deleted ones are made again when a run needs them.
    """
    from rich.filesize import decimal

    found = _open(out)
    before = None if older_than is None else time.time() - older_than * DAY_S
    for entry in found.leftovers():
        _delete(found, entry, dry_run)
    entries = found.entries()
    left, freed, deleted = sum(entry.bytes for entry in entries), 0, 0
    for entry in entries:
        if not ((before is not None and entry.used < before) or (max_gb is not None and left > max_gb * 1e9)):
            continue
        if _delete(found, entry, dry_run):
            left, freed, deleted = left - entry.bytes, freed + entry.bytes, deleted + 1
    would = "would delete" if dry_run else "deleted"
    click.echo(f"{would} {deleted} of {len(entries)} entries, {decimal(freed)}; {decimal(left)} stay")


def _delete(found: Store, entry: Entry, dry_run: bool) -> bool:
    """Delete an entry, print what happened to it, and return whether it was deleted."""
    from rich.filesize import decimal

    from alseg_core.errors import ResultsError

    try:
        kept = None if dry_run else found.remove(entry)
    except OSError as error:
        raise ResultsError(
            f"{entry.path} cannot be deleted ({error.strerror}); clean the store as its owner, where it can be written."
        ) from None
    what = visible(f"{entry.kind}/{entry.path.name}, {decimal(entry.bytes)}, last used {_day(entry.used)}")
    click.echo(f"kept, {kept}: {what}" if kept else f"{'would delete' if dry_run else 'deleted'}: {what}")
    return kept is None


def _open(out: Path) -> Store:
    from alseg_core.errors import ResultsError
    from alseg_core.store import Store

    if not (out / "store").is_dir():
        raise ResultsError(f"no store in {out}; name the folder of the results with --out.")
    return Store(out / "store")


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
