"""``alseg tune``: find settings of a recipe."""

from __future__ import annotations

from pathlib import Path

import click

from bench.commands.group import OUT


@click.command()
@click.argument("tuning", default="gcl_coreset")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the tuning, such as dataset=acdc or trials=12, with dots between keys; alseg list fields "
    "tuning lists them.",
)
@click.option("--storage", metavar="URL", help="Where Optuna keeps the trials.  [default: OUT/optuna.db]")
@click.option(
    "--recipes-to",
    "recipes",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the tuned recipe.  [default: experiments/recipes]",
)
@OUT
def tune(tuning: str, settings: tuple[str, ...], storage: str | None, recipes: Path | None, out: Path) -> None:
    """Tune a recipe's settings on validation volumes, or go on with it; write the tuned recipe and a report.

    TUNING is a name (gcl_coreset, typiclust) or a YAML file. --storage may be in $ALSEG_OPTUNA_URL.
    """
    from rich.console import Console

    from bench.launchers.study_folder import alone, writing
    from bench.terminal.progress import Display
    from bench.tuning.spec import Tuning
    from bench.tuning.tuning_run import Launch

    out = out.expanduser().absolute()
    with Display(Console()) as display:
        launch = Launch.of(Tuning.find(tuning, settings), out, display)
        with writing(out), alone(launch.folder):
            launch.run(storage, recipes)
