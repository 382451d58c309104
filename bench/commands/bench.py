"""``alseg bench``: run a study."""

from __future__ import annotations

from pathlib import Path

import click

from alseg_core.errors import ConfigError
from bench.commands.group import LAUNCHER, OUT, whole_settings


@click.command("bench")
@click.argument("study", default="quick")
@click.option(
    "--set",
    "settings",
    multiple=True,
    callback=whole_settings,
    metavar="KEY=VALUE",
    help="Change a setting of the study, with dots between keys; alseg list fields study lists them.",
)
@LAUNCHER
@click.option("--local", is_flag=True, help="Run in this process, without Ray: short for --launcher local.")
@click.option(
    "--estimate", "only_estimate", is_flag=True, help="Print what would run, how long it would take and what is done."
)
@click.option("--typed", hidden=True, help="The command that was typed instead of this one, without its seeds.")
@OUT
def bench_command(
    study: str,
    settings: tuple[str, ...],
    launcher: str | None,
    local: bool,
    only_estimate: bool,
    typed: str | None,
    out: Path,
) -> None:
    """Run STUDY, a name (quick, paper) or a YAML file, or continue it; then write and show its report."""
    from rich.console import Console

    from bench.terminal.progress import Display

    if local and launcher not in (None, "local"):
        raise ConfigError(f"--local is short for --launcher local, and --launcher {launcher} was given too; drop one.")
    launcher = "local" if local else launcher
    with Display(Console()) as display:
        with display.stage("reading the study", log=False):  # the imports take a second
            from bench.launchers import find_launcher
            from bench.launchers.study_run import estimate, launch
            from bench.study import Study
            from bench.study.rerun import recorded

            chosen = find_launcher("ray" if launcher is None else launcher)
            command = recorded(study, settings, out, launcher, typed)
            found, out = Study.find(study, settings), out.expanduser().absolute()
        if only_estimate:
            estimate(found, out, chosen, display)
            return
        failed = launch(found, out, chosen, display, command)
    click.get_current_context().exit(1 if failed else 0)
