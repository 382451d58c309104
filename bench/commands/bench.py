"""``alseg bench``: run a study."""

from __future__ import annotations

from pathlib import Path

import click

from alseg_core.errors import ConfigError
from bench.commands.group import LAUNCHER, OUT


def _whole(_context: click.Context, _option: click.Parameter, settings: tuple[str, ...]) -> tuple[str, ...]:
    """Return the settings unchanged. Raises ConfigError for part of a setting that a shell or make has split."""
    for before, setting in zip(("", *settings), settings, strict=False):
        if "=" not in setting:
            after = f" after {before!r}" if before else ""
            raise ConfigError(
                f"--set wants KEY=VALUE, got {setting!r}{after}. Quote a value that has blanks; in make's SET, where "
                'blanks separate settings, write it without: SET="members=3 schedules.low=[10,20,40]".'
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

    from bench.launchers import find_launcher
    from bench.launchers.study_run import estimate, launch
    from bench.study import Study
    from bench.study.rerun import recorded
    from bench.terminal.progress import Display

    if local and launcher not in (None, "local"):
        raise ConfigError(f"--local is short for --launcher local, and --launcher {launcher} was given too; drop one.")
    launcher = "local" if local else launcher
    chosen = find_launcher(launcher or "ray")
    command = recorded(study, settings, out, launcher, typed)
    found, out = Study.find(study, settings), out.expanduser().absolute()
    with Display(Console()) as display:
        if only_estimate:
            estimate(found, out, chosen, display)
            return
        failed = launch(found, out, chosen, display, command)
    click.get_current_context().exit(1 if failed else 0)
