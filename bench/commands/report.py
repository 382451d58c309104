"""``alseg report``: the report of one or several studies, written again."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folders", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Where to write; by default FOLDER/report."
)
def report(folders: tuple[Path, ...], out: Path | None) -> None:
    """Write the report of the runs in FOLDERS again and show its table.

    A folder is that of a study, or any folder with studies or run folders below it, copied ones too. Several are merged
    into one report, which needs --out; what must not be averaged is kept apart, and the report says so.
    """
    from rich.console import Console

    from alseg_core.errors import ConfigError
    from bench import report as reports
    from bench.launchers.study_folder import shown
    from bench.report.tables import terminal

    if out is None and len(folders) > 1:
        raise ConfigError(f"{len(folders)} folders were given: say where their report goes, --out FOLDER.")
    target = out if out is not None else folders[0] / "report"
    results = reports.write(folders, target)
    Console().print(terminal(results))
    click.echo(f"report: {shown(target.absolute() / 'report.html')}")
