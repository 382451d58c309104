"""``alseg project``: annotation rounds on the user's own scans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from alseg_core.visible import visible_lines
from bench.commands.group import Folder, Group, whole_settings

if TYPE_CHECKING:
    from bench.project.project import Project
    from bench.terminal.progress import Display
    from bench.terminal.project_progress import ProjectProgress

PROJECT = click.argument("folder", type=Folder(), metavar="PROJECT")
FILE = click.Path(path_type=Path)


@click.group(cls=Group)
def project() -> None:
    """Annotate your own scans in rounds: the slices that a recipe of the benchmark picks, in the tools you have."""


@project.command("new")
@PROJECT
@click.option("--images", type=Folder(), metavar="DIR", help="Folder of your scans, NIfTI files without labels.")
@click.option("--classes", metavar="NAMES", help="Names of the classes with commas between, background first.")
@click.option(
    "--kind",
    type=click.Choice(["mask", "scribble"]),
    default="mask",
    show_default=True,
    help="What annotators draw on a slice: every pixel, or a few strokes per class.",
)
@click.option(
    "--recipe", default="gcl_coreset", show_default=True, help="Who picks the slices; see alseg list recipes."
)
@click.option("--batch", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Slices of a round.")
@click.option("--validation", type=Folder(), metavar="DIR", help="Fully labelled scans: DIR/images and DIR/labels.")
@click.option("--given", type=Folder(), metavar="DIR", help="Masks that exist already; 255 = not annotated.")
@click.option(
    "--given-slices", type=FILE, metavar="CSV", help="Slices that these masks hold: case,index.  [default: all]"
)
@click.option(
    "--by-voxels", is_flag=True, help="Voxels of given masks whose header tells no position lie as in the scan."
)
@click.option("--dataset", metavar="NAME", help="In place of --images: the training patients of a dataset.")
@click.option("--data", metavar="DIR", help="Folder of its scans.  [default: data/DATASET]")
@click.option("--preset", default="quick", show_default=True, help="Size of images and trainings: quick or paper.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all random numbers.")
@click.option("--minutes", type=click.FloatRange(0, 1440, min_open=True), help="Estimated minutes a slice takes.")
@click.option(
    "--enough",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Gain of Dice below which a further round is not worth it to you.",
)
@click.option("--planned", type=click.IntRange(1, 1000), default=10, show_default=True, help="Rounds that you plan.")
@click.option("--pattern", metavar="REGEX", help="What in a file name is the patient: '(?P<patient>p\\d+)_.*'")
@click.option("--csv", metavar="FILE", help="Table of the patients: file,patient")
@click.option("--slice-axis", metavar="AXIS", help="Axis of the slices: axial, coronal, sagittal, third ...")
@click.option(
    "--set",
    "settings",
    multiple=True,
    callback=whole_settings,
    metavar="KEY=VALUE",
    help="Change a setting, as in alseg bench; alseg list fields study lists them.",
)
def new(folder: Path, classes: str | None, minutes: float | None, **options: Any) -> None:
    """Start PROJECT, a new folder: look at the scans, check everything, and decide how slices are picked."""
    from bench.project.create import Wishes, names, new_project

    fields = {"pattern": options.pop("pattern"), "csv": options.pop("csv"), "slice_axis": options.pop("slice_axis")}
    reader = {key: value for key, value in fields.items() if value is not None}
    wishes = Wishes(classes=names(classes), minutes=minutes, reader=reader, **options)
    with _display() as display:
        with display.stage("reading the scans", log=False):
            made, lines = new_project(folder, wishes, lambda done, total, _: display.preparing("scans", done, total))
        for line in lines:
            display.say(line)
        display.say(f"next: alseg project next {made.typed}")


@project.command("next")
@PROJECT
@click.option("--batch", type=click.IntRange(1, 100_000), help="Slices of this round.  [default: that of the project]")
@click.option("--without-missing", is_flag=True, help="Go on without the slices of the last round that nobody gave.")
@click.option("--prefill", is_flag=True, help="Hand out the network's labels as a start.")
@click.option("--copy-images", is_flag=True, help="Copy the scans into the round, so that it can be sent away.")
def next_round(folder: Path, batch: int | None, without_missing: bool, prefill: bool, copy_images: bool) -> None:
    """Train on what was given, pick the next slices, and write them down for annotators in PROJECT/round_NN."""
    with _display() as display, _opened(display, folder) as (found, progress):
        from bench.project.ask import ask

        lines = ask(
            found,
            batch,
            without_missing=without_missing,
            prefill=prefill,
            copy_images=copy_images,
            listeners=[progress],
        )
        for line in lines:
            display.say(line)


@project.command("take")
@PROJECT
@click.argument("files", type=FILE, required=False)
@click.option("--round", "number", type=click.IntRange(1), help="Round that the files answer.  [default: the last]")
@click.option(
    "--done",
    type=click.Choice(["marked", "all"]),
    default="marked",
    show_default=True,
    help="Slices that count: those marked as done in a table or point list, or all asked ones of changed files.",
)
@click.option("--annotator", metavar="NAME", help="Whose version counts where annotators differ.")
@click.option("--keep-others", is_flag=True, help="Also keep slices that were drawn on though nobody asked for them.")
@click.option("--by-voxels", is_flag=True, help="Voxels of files whose header tells no position lie as in the scan.")
@click.option("--times", type=FILE, metavar="CSV", help="Table of times: case,index,minutes")
def take(
    folder: Path,
    files: Path | None,
    number: int | None,
    done: Literal["marked", "all"],
    annotator: str | None,
    keep_others: bool,
    by_voxels: bool,
    times: Path | None,
) -> None:
    """Read what annotators saved in FILES (by default in the folder of the round), check it, and keep what is done."""
    from bench.project.project import Project
    from bench.project.take import take as take_files
    from bench.study.typeable import typeable

    found = Project.open(folder)
    with found.locked():
        receipt = take_files(
            found,
            files,
            number=number,
            done=done,
            annotator=annotator,
            keep_others=keep_others,
            by_voxels=by_voxels,
            times=times,
        )
    for line in (*receipt.lines, *(f"problem: {problem}" for problem in receipt.problems), *receipt.next):
        click.echo(typeable(visible_lines(line)))
    click.get_current_context().exit(1 if receipt.problems else 0)


@project.command("status")
@PROJECT
@click.option(
    "--train/--no-train",
    default=True,
    help="Whether to train on a complete round and to measure it first, which takes minutes.",
)
def show_status(folder: Path, train: bool) -> None:
    """Show what was annotated, what it cost, how good the network is, and what another round would bring.

    A complete round is trained on first. Without validation scans, up to five networks more are trained for each round
    that is not measured yet; --no-train shows what is known at once.
    """
    with _display() as display, _opened(display, folder, write=train) as (found, progress):
        from bench.project.page import write_page
        from bench.project.rounds import State, material_of
        from bench.project.rounds import train as train_round
        from bench.project.status import status, text
        from bench.project.table import table

        if train and State.of(found).complete:
            display.say("training on the round that is complete first; --no-train shows at once what is known")
        if train:
            train_round(found, [progress])
        _, material = material_of(found)
        current = status(found, len(material.slices), progress if train else None)
        page = write_page(found, current)
        if current.rounds:
            display.show(table(current))
        for line in text(current):
            display.say(line, fold=not line.startswith("next: "))
        display.say(f"page: {page}")


@project.command("predict")
@PROJECT
@click.option("--to", type=Folder(), metavar="DIR", help="Folder of the masks.  [default: PROJECT/predictions]")
@click.option("--network-only", is_flag=True, help="Predict annotated slices too, in place of what annotators drew.")
def predict_masks(folder: Path, to: Path | None, network_only: bool) -> None:
    """Write masks of all scans in their own geometry, and maps of the network's uncertainty (0 to 1)."""
    with _display() as display, _opened(display, folder) as (found, progress):
        from bench.project.predict import predict
        from bench.project.rounds import train as train_round
        from bench.project.scans import check_outside

        out = to or folder / "predictions"
        check_outside(found, out)
        train_round(found, [progress])
        for line in predict(found, out, not network_only, progress.predicted).lines:
            display.say(line)


@project.command("export")
@PROJECT
@click.option("--format", "kind", type=click.Choice(["nnunet", "nifti"]), default="nnunet", show_default=True)
@click.option(
    "--to", type=Folder(), metavar="DIR", help="Where to write it.  [default: PROJECT/export or .../export/nifti]"
)
@click.option("--id", "number", type=click.IntRange(1, 999), default=900, show_default=True, help="nnU-Net's number.")
def export(folder: Path, kind: Literal["nnunet", "nifti"], to: Path | None, number: int) -> None:
    """Write what was annotated as a data set of nnU-Net (with its ignore label), or as plain NIfTI (255 = no label)."""
    with _display() as display, _opened(display, folder) as (found, _):
        from bench.project.export import export as export_labels
        from bench.project.scans import check_outside

        out = to or folder / ("export" if kind == "nnunet" else "export/nifti")
        check_outside(found, out)
        for line in export_labels(found, kind, out, number):
            display.say(line)


@contextmanager
def _display() -> Iterator[Display]:
    """Yield a display for work that takes a while."""
    from rich.console import Console

    from bench.terminal.progress import Display

    with Display(Console()) as display:
        yield display


@contextmanager
def _opened(display: Display, folder: Path, write: bool = True) -> Iterator[tuple[Project, ProjectProgress]]:
    """Yield a project, locked if it will be written, and what shows its rounds."""
    with display.stage("starting", log=False):
        from bench.project.project import Project
        from bench.terminal.project_progress import ProjectProgress

        found = Project.open(folder)
    with found.locked() if write else nullcontext():
        yield found, ProjectProgress(display, found.shown, found.results.records(), "checking the scans")
