"""``alseg leaderboard``: a folder of bundles as one page."""

from __future__ import annotations

from pathlib import Path

import click

from bench.commands.group import Folder


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("experiments/results"))
@click.option("-o", "--out", "site", type=Folder(), required=True, metavar="SITE", help="Where to write the page.")
def leaderboard(folder: Path, site: Path) -> None:
    """Check all bundles below FOLDER and compare their methods on one page, SITE/index.html, that needs no network.

    FOLDER is experiments/results by default. A bundle that fails its check is listed with the reasons and is in no
    table; the exit code is 1 then.
    """
    from bench.launchers.study_folder import shown
    from bench.leaderboard import PAGE, write
    from bench.leaderboard.site import left_over

    entries = write(folder, site)
    for entry in entries:
        click.echo(f"{entry.standing:<6}  {entry.name}")
        for name, found in entry.checks.items():
            for text in found["problems"][:1]:
                click.echo(f"        {name}: {text}")
    for path in left_over(entries, site):
        click.echo(f"note: {shown(path.absolute())} is on this page no more; delete it if nobody needs it")
    click.echo(f"leaderboard: {shown(site.absolute() / PAGE)}")
    click.get_current_context().exit(0 if all(entry.passed for entry in entries) else 1)
