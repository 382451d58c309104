"""``alseg bench``: run a study."""

from __future__ import annotations

from pathlib import Path

import click

from alseg_core.errors import ConfigError
from bench.commands.group import OUT


def _whole(_context: click.Context, _option: click.Parameter, settings: tuple[str, ...]) -> tuple[str, ...]:
    """The settings as they came. Raises ConfigError for a piece of one, as a shell or make leaves it behind."""
    for before, setting in zip(("", *settings), settings, strict=False):
        if "=" not in setting:
            after = f" after {before!r}" if before else ""
            raise ConfigError(
                f"--set wants KEY=VALUE, got {setting!r}{after}. A value with blanks is quoted here, and in make's "
                'SET, where blanks divide settings, it has none: SET="members=3 schedules.low=[10,20,40]".'
            )
    return settings


@click.command("bench")
@click.argument("study", default="quick")
@click.option(
    "--set",
    "settings",
    multiple=True,
    callback=_whole,
    metavar="KEY=VALUE",
    help="Change a setting of the study, with dots between keys; alseg list fields study lists them.",
)
@click.option("--local", is_flag=True, help="Run in this process, without Ray.")
@click.option("--estimate", "ask", is_flag=True, help="Say what would run, how long it would take and what is there.")
@OUT
def bench_command(study: str, settings: tuple[str, ...], local: bool, ask: bool, out: Path) -> None:
    """Run STUDY, a name (quick, paper) or a YAML file, or go on with it; then write and show its report."""
    from rich.console import Console

    from bench.launchers.study_run import estimate, launch
    from bench.study import Study
    from bench.terminal.progress import Display

    found, out = Study.find(study, settings), out.expanduser().absolute()
    with Display(Console()) as display:
        if ask:
            estimate(found, out, local, display)
            return
        failed = launch(found, out, local, display)
    click.get_current_context().exit(1 if failed else 0)
