"""``alseg bench``: run a study."""

from __future__ import annotations

from pathlib import Path

import click

from bench.commands.group import DOWNLOAD, LAUNCHER, LOCAL, OUT, TYPED, launcher_name, whole_settings


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
@LOCAL
@click.option(
    "--estimate", "only_estimate", is_flag=True, help="Print what would run, how long it would take and what is done."
)
@DOWNLOAD
@click.option("--typed", **TYPED)
@OUT
def bench_command(
    study: str,
    settings: tuple[str, ...],
    launcher: str | None,
    local: bool,
    only_estimate: bool,
    download: bool,
    typed: str | None,
    out: Path,
) -> None:
    """Run STUDY, a name (quick, paper) or a YAML file, or continue it; then write and show its report."""
    from rich.console import Console

    from bench.terminal.progress import Display

    console = Console()
    with Display(console) as display:
        with display.stage("reading the study", log=False):  # the imports take a second
            from bench.datasets.downloads import announce, bring
            from bench.launchers import find_launcher
            from bench.launchers.scans import lacking
            from bench.launchers.study_run import estimate, launch
            from bench.study import Study
            from bench.study.rerun import recorded

            launcher = launcher_name(launcher, local)
            chosen = find_launcher("ray" if launcher is None else launcher)
            found = Study.find(study, settings)
            command, out = recorded(study, settings, out, launcher, typed), out.expanduser().absolute()
            missing = lacking(found, chosen)
        with display.paused():
            if missing and only_estimate:
                announce(missing, f"execute {len(found.runs())} runs", console)
                return
            bring(missing, console, allowed=download)
        if only_estimate:
            estimate(found, out, chosen, display)
            return
        failed = launch(found, out, chosen, display, command)
    click.get_current_context().exit(1 if failed else 0)
