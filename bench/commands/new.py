"""``alseg new``: files to start from."""

from __future__ import annotations

from pathlib import Path

import click

from alseg_core.visible import visible_lines
from bench.commands.group import Group


@click.group(cls=Group)
def new() -> None:
    """Start a strategy or a dataset of your own."""


@new.command("strategy")
@click.argument("name")
def strategy(name: str) -> None:
    """Write a query strategy that works, its recipe and its test into this folder: NAME.py, NAME.yaml, test_NAME.py."""
    from bench.scaffold.strategy import new_strategy

    for line in new_strategy(name, Path()):
        click.echo(visible_lines(line))
