"""``alseg report``: the report of a study, written again."""

from __future__ import annotations

from pathlib import Path

import click

from bench.commands.group import shown


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def report(folder: Path) -> None:
    """Write the report of a study's FOLDER again and show its table."""
    from rich.console import Console

    from bench import report as reports
    from bench.report.tables import terminal

    results = reports.write(folder)
    Console().print(terminal(results))
    click.echo(f"report: {shown((folder / 'report').absolute())}")
