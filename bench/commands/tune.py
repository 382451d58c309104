"""``alseg tune``: find good settings of a recipe."""

from __future__ import annotations

from pathlib import Path

import click

from bench.commands.group import DOWNLOAD, LAUNCHER, LOCAL, OUT, TYPED, Folder, launcher_name, whole_settings


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
@LOCAL
@click.option(
    "--estimate", "only_estimate", is_flag=True, help="Print what all trials would run, and how long at most."
)
@DOWNLOAD
@click.option("--typed", expose_value=False, **TYPED)
@OUT
def tune(
    tuning: str,
    settings: tuple[str, ...],
    storage: str | None,
    recipes: Path | None,
    launcher: str | None,
    local: bool,
    only_estimate: bool,
    download: bool,
    out: Path,
) -> None:
    """Tune a recipe's settings on validation volumes, or continue; write the tuned recipe and a report.

    TUNING is a name (gcl_coreset, typiclust) or a YAML file. The default of --storage may be set in $ALSEG_OPTUNA_URL.
    """
    from rich.console import Console

    from bench.terminal.progress import Display

    console = Console()
    with Display(console) as display:
        with display.stage("reading the tuning", log=False):  # the imports take a second
            from bench.datasets.downloads import announce, bring, downloads_of
            from bench.launchers import find_trial_launcher
            from bench.launchers.study_folder import check_writable, locked, tidy, writing
            from bench.tuning.spec import Tuning
            from bench.tuning.tuning_run import Launch

            chosen, out = find_trial_launcher(launcher_name(launcher, local) or "ray"), out.expanduser().absolute()
            found = Tuning.find(tuning, settings)
            base = found.base()
            missing = downloads_of(base.files(), base.data)
            launch = Launch.of(found, out, chosen, display, [each.name for each in missing])
        with display.paused():
            if missing and only_estimate:
                announce(missing, f"tune {launch.tuning.recipe} by {launch.tuning.trials} trials", console)
                return
            bring(missing, console, allowed=download)
        base.check_folders()
        if only_estimate:
            with tidy(out), writing(out):
                check_writable(out)
                launch.estimate()
            return
        with writing(out), locked(launch.folder):
            launch.run(storage, recipes)
