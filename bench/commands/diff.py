"""``alseg diff``: two studies beside one another."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import click

from bench.commands.group import Folder
from bench.commands.report import folder_of

PLACE = click.Path(path_type=Path)


@click.command()
@click.argument("a", type=PLACE)
@click.argument("b", type=PLACE)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON, in full.")
@click.option(
    "--in",
    "results",
    type=Folder(),
    default=Path("runs"),
    show_default=True,
    help="Folder of the results of studies that are named by their YAML files.",
)
def diff(a: Path, b: Path, as_json: bool, results: Path) -> None:
    """Compare the results in A and B: may they be compared, what differs, and does one reproduce the other?

    A and B are folders of studies, their YAML files, or bundles.

    The exit code is 0 where nothing that matters differs, 1 where something does, and 2 after an error. What matters:
    settings of data and split, annotation and budgets, training, evaluation and recipes; runs and rounds that only one
    side has; the slices that were picked; and Dice to three decimals. Machines, versions, commits, and dates of files
    are shown, but do not count.
    """
    from rich.console import Console

    from bench.diff.comparison import Comparison
    from bench.diff.side import Side
    from bench.diff.terminal import terminal

    with ExitStack() as stack:
        left, right = (Side.read(path, folder_of(path, results, stack)) for path in (a, b))
    comparison = Comparison((left, right))
    if as_json:
        click.echo(json.dumps(comparison.plain(), indent=1, allow_nan=False))
    else:
        Console().print(terminal(comparison), crop=False)
    click.get_current_context().exit(0 if comparison.same else 1)
