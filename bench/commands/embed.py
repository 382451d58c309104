"""``alseg embed``: what the embeddings of recipes know."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands.group import OUT, Group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

COLUMNS = {
    "same_patient": ("same patient", ".2f"),
    "same_volume": ("same volume", ".2f"),
    "height_distance": ("height", ".3f"),
    "dimension": ("dimension", ".1f"),
    "norm_spread": ("spread of lengths", ".2f"),
    "patients": ("patients", ".1f"),
    "tenths": ("tenths of height", ".1f"),
    "ends": ("at the ends", ".2f"),
    "foreground": ("foreground", ".2f"),
    "all_classes": ("all classes", ".2f"),
}
"""Measure -> heading and format."""


@click.group(cls=Group)
def embed() -> None:
    """Embeddings of slices: what a trained encoder has learned."""


@embed.command("check")
@click.argument("dataset", default="phantom")
@click.option("--data", "folder", metavar="DIR", help="Folder of the raw scans.  [default: data/DATASET]")
@click.option("--recipe", default="gcl_group_coreset", show_default=True, help="Recipe whose embedding is checked.")
@click.option(
    "--beside", multiple=True, metavar="RECIPE", help="Another recipe whose embedding is shown too; may be repeated."
)
@click.option("--study", default="quick", show_default=True, help="Study whose settings apply, a name or a YAML file.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting of the study, for example seeds=3."
)
@OUT
def check(
    dataset: str,
    folder: str | None,
    recipe: str,
    beside: tuple[str, ...],
    study: str,
    settings: tuple[str, ...],
    out: Path,
) -> None:
    """Compare the embedding of a recipe on DATASET with an untrained encoder and with pixels.

    Shows what the nearest neighbours of a slice have in common with it, and what greedy k-centre would pick first. The
    exit code is 1 if a trained encoder groups slices worse than an untrained one.
    """
    from rich.console import Console
    from rich.progress import Progress

    from bench.datasets.embedding_check import check as check_embedding
    from bench.launchers.study_folder import check_writable, tidy

    bar = Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    with tidy(out), bar:
        check_writable(out)
        task = bar.add_task("encoder", total=1.0)
        found = check_embedding(
            *(dataset, folder, recipe, study, settings, out / "store"),
            progress=lambda done: bar.update(task, completed=done),
            beside=beside,
        )
    console = Console()
    console.print(found.title, markup=False, highlight=False)
    console.print(_table("5 nearest neighbours", {of: asdict(known) for of, known in found.quality.items()}))
    console.print(_table("first picks of k-centre", {of: asdict(picks) for of, picks in found.picks.items()}))
    for line in [*found.notes, *(f"worse than an untrained encoder: {line}" for line in found.lost)]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    click.get_current_context().exit(1 if found.lost else 0)


def _table(title: str, rows: Mapping[str, Mapping[str, float | None]]) -> Table:
    """Return measures by row as a table, without columns that are unknown."""
    from rich.table import Table

    known = [name for name in next(iter(rows.values())) if any(row[name] is not None for row in rows.values())]
    table = Table(title=title, title_justify="left", show_edge=False)
    table.add_column("", no_wrap=True)
    for name in known:
        table.add_column(COLUMNS[name][0], justify="right")
    for of, row in rows.items():
        table.add_row(of, *(format(row[name], COLUMNS[name][1]) for name in known))
    return table
