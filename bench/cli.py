"""The console command ``alseg``. Commands import heavy packages only when they run, so that help is immediate."""

from __future__ import annotations

import sys

import click

from bench.commands.bench import bench_command
from bench.commands.bundle import bundle
from bench.commands.data import data
from bench.commands.diff import diff
from bench.commands.embed import embed
from bench.commands.group import Group
from bench.commands.leaderboard import leaderboard
from bench.commands.listing import list_command
from bench.commands.new import new
from bench.commands.project import project
from bench.commands.report import report
from bench.commands.run import run
from bench.commands.store import store
from bench.commands.tune import tune
from bench.commands.ui import ui


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="alseg")
def main() -> None:
    """Active learning for 3D medical image segmentation: which slices to annotate next, measured fairly."""


for command in (
    bench_command,
    tune,
    report,
    bundle,
    diff,
    leaderboard,
    ui,
    list_command,
    new,
    project,
    data,
    embed,
    store,
    run,
):
    main.add_command(command)


if __name__ == "__main__":
    sys.exit(main())
