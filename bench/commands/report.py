"""``alseg report``: write the report of one or several studies again."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folders", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Where to write.  [default: FOLDER/report]"
)
def report(folders: tuple[Path, ...], out: Path | None) -> None:
    """Write the report of the runs in FOLDERS again and show its table.

    FOLDERS are folders of studies, or any folders that contain studies or run folders, copied ones too. Several are
    merged into one report, which needs --out; results that must not be averaged stay separate, as the report explains.
    """
    from rich.console import Console

    from alseg_core.errors import ConfigError
    from bench import report as reports
    from bench.launchers.study_folder import shown
    from bench.report.tables import terminal

    if out is None and len(folders) > 1:
        raise ConfigError(f"{len(folders)} folders were given: choose one for their report with --out FOLDER.")
    target = out if out is not None else folders[0] / "report"
    results = reports.write(folders, target)
    Console().print(terminal(results))
    click.echo(f"report: {shown(target.absolute() / 'report.html')}")
