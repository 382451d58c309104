"""``alseg tune``: find good settings of a recipe."""

from __future__ import annotations

from pathlib import Path

import click

from bench.commands.group import LAUNCHER, OUT, Folder, whole_settings


@click.command()
@click.argument("tuning", default="gcl_coreset")
@click.option(
    "--set",
    "settings",
    multiple=True,
    callback=whole_settings,
    metavar="KEY=VALUE",
    help="Change a setting of the tuning, such as dataset=acdc or trials=12, with dots between keys; alseg list fields "
    "tuning lists them.",
)
@click.option("--storage", metavar="URL", help="Where Optuna keeps the trials.  [default: OUT/optuna.db]")
@click.option(
    "--recipes-to",
    "recipes",
    type=Folder(),
    metavar="DIR",
    help="Folder for the tuned recipe.  [default: experiments/recipes]",
)
@LAUNCHER
@OUT
def tune(
    tuning: str,
    settings: tuple[str, ...],
    storage: str | None,
    recipes: Path | None,
    launcher: str | None,
    out: Path,
) -> None:
    """Tune a recipe's settings on validation volumes, or continue; write the tuned recipe and a report.

    TUNING is a name (gcl_coreset, typiclust) or a YAML file. The default of --storage may be set in $ALSEG_OPTUNA_URL.
    """
    from rich.console import Console

    from bench.terminal.progress import Display

    with Display(Console()) as display:
        with display.stage("reading the tuning", log=False):  # the imports take a second
            from bench.launchers import find_trial_launcher
            from bench.launchers.study_folder import locked, writing
            from bench.tuning.spec import Tuning
            from bench.tuning.tuning_run import Launch

            chosen, out = find_trial_launcher("ray" if launcher is None else launcher), out.expanduser().absolute()
            launch = Launch.of(Tuning.find(tuning, settings), out, chosen, display)
        with writing(out), locked(launch.folder):
            launch.run(storage, recipes)
