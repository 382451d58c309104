"""``alseg bench``: run a study."""

from __future__ import annotations

from pathlib import Path

import click

from bench.commands.group import OUT


@click.command("bench")
@click.argument("study", default="quick")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting of the study; dots go deeper."
)
@click.option("--local", is_flag=True, help="Run in this process, without Ray.")
@OUT
def bench_command(study: str, settings: tuple[str, ...], local: bool, out: Path) -> None:
    """Run STUDY, a name (quick, paper) or a YAML file, or go on with it; then write and show its report."""
    from rich.console import Console

    from bench.display import Display
    from bench.launch import alone, check_writable, launch
    from bench.study import Study

    found, out = Study.find(study, settings), out.expanduser().absolute()
    check_writable(out / found.name)
    with alone(out / found.name), Display(Console()) as display:
        failed = launch(found, out, local, display)
    click.get_current_context().exit(1 if failed else 0)
