"""``alseg new``: files to start from."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from alseg_core.visible import visible_lines
from bench.commands.group import Folder, Group


@click.group(cls=Group)
def new() -> None:
    """Start a strategy or a dataset of your own."""


@new.command("strategy")
@click.argument("name")
def strategy(name: str) -> None:
    """Write a query strategy that works, its recipe and its test into this folder: NAME.py, NAME.yaml, test_NAME.py."""
    from bench.scaffold.strategy import new_strategy
    from bench.study.typeable import typeable

    for line in new_strategy(name, Path()):
        click.echo(typeable(visible_lines(line)))


@new.command("dataset")
@click.argument("folder", type=Folder())
@click.option("--name", help="Name in results and of the file.  [default: that of the folder]")
@click.option("--images", metavar="DIR", help="Folder of the scans in FOLDER.  [default: images or imagesTr]")
@click.option("--labels", metavar="DIR", help="Folder of their masks in FOLDER.  [default: labels or labelsTr]")
@click.option(
    "--pattern",
    metavar="REGEX",
    help="What in the name of a file is the patient, such as '(?P<patient>p\\d+)_(?P<group>.+)'.  [default: inferred]",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Set a field of the reader in place of what would be inferred: csv, slice_axis, geometry or trust_grid.",
)
def dataset(
    folder: Path,
    name: str | None,
    images: str | None,
    labels: str | None,
    pattern: str | None,
    settings: tuple[str, ...],
) -> None:
    """Look at the NIfTI scans in FOLDER and describe them in NAME.yaml, in this folder.

    Every image has a mask of the same file name, and perhaps scribbles, in a folder scribbles. Patients, classes, sizes
    and budgets are inferred, shown and explained in the file.
    """
    from rich.console import Console
    from rich.progress import Progress

    from bench.scaffold.dataset import new_dataset
    from bench.study import parse_setting
    from bench.study.typeable import typeable

    given = {key: value for setting in settings for key, value in parse_setting(setting).items()}
    given |= {} if pattern is None else {"pattern": pattern}
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        tasks = {what: bar.add_task(f"reading {what}", total=None) for what in ("labels", "scans")}
        lines = new_dataset(
            folder,
            Path(),
            name,
            images,
            labels,
            given,
            lambda what, done, total: bar.update(tasks[what], completed=done, total=total),
        )
    for line in lines:
        click.echo(typeable(visible_lines(line)))
