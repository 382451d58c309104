"""``alseg data``: raw scans, their datasets and downloads."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from alseg_core.visible import visible_lines
from bench.commands.group import OUT, Group

FOLDER = click.option("--data", "folder", metavar="DIR", help="Folder of the raw scans.  [default: data/DATASET]")


@click.group(cls=Group)
def data() -> None:
    """Raw scans: describe a dataset, download it, check a folder."""


@data.command("check")
@click.argument("dataset")
@FOLDER
@click.option(
    "--sheet",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Where to write the contact sheet.  [default: runs/DATASET-sheet.png]",
)
def check(dataset: str, folder: str | None, sheet: Path | None) -> None:
    """Read every scan of DATASET (a name or a YAML file); list cases and problems, and draw a sheet of slices."""
    from rich.console import Console
    from rich.progress import Progress

    from bench.datasets.check import check as check_dataset
    from bench.study.typeable import typeable

    sheet = sheet or Path("runs") / f"{Path(dataset).stem}-sheet.png"
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("reading", total=None)
        lines, problems = check_dataset(
            dataset, folder, sheet, lambda done, cases, case: bar.update(task, completed=done, total=cases)
        )
    console = Console()
    if problems:
        lines.append("with these problems no study starts, whatever a preset above says:")
    for line in [*lines, *(f"problem: {problem}" for problem in problems)]:
        console.print(typeable(visible_lines(line)), markup=False, highlight=False, soft_wrap=True)
    click.get_current_context().exit(1 if problems else 0)


@data.command("fetch")
@click.argument("dataset")
@click.option(
    "--to", type=click.Path(path_type=Path), metavar="DIR", help="Folder for its files.  [default: data/DATASET]"
)
def fetch(dataset: str, to: Path | None) -> None:
    """Download DATASET from its official source, check and unpack it; or print where to register for it."""
    from bench.datasets.download import fetch_with_progress
    from bench.study.typeable import typeable

    for line in fetch_with_progress(dataset, to):
        click.echo(typeable(line))


@data.command("info")
@click.argument("dataset", required=False)
def info(dataset: str | None) -> None:
    """Print classes, licence, citation, source and layout of DATASET, or of all datasets."""
    from bench.datasets.info import info as describe
    from bench.study.typeable import typeable

    click.echo(typeable(visible_lines(describe(dataset))))


@data.command("groups")
@click.argument("dataset")
@FOLDER
@click.option("--preset", default="paper", show_default=True, help="Preset that chooses patients and preparation.")
@OUT
def groups(dataset: str, folder: str | None, preset: str, out: Path) -> None:
    """Print how alike the slices of a patient, volume and neighbourhood are (mean absolute deviation of pixels)."""
    from bench.datasets.group_statistics import statistic
    from bench.launchers.study_folder import check_writable, tidy

    with tidy(out):
        check_writable(out)
        count, values = statistic(dataset, folder, preset, out / "store")
    click.echo(f"{dataset}, {count} slices: " + ", ".join(f"{name} {value:.3f}" for name, value in values.items()))
