"""What the commands share: the display of errors and interrupts, and common options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from alseg_core.errors import AlsegError, ConfigError, shown

_ROUNDS = "the same command continues from the last finished rounds"
_DOWNLOAD = "the same command continues the download"
_GOES_ON = {"bench": _ROUNDS, "tune": _ROUNDS, "run": _ROUNDS, "fetch": _DOWNLOAD}
"""What the same command does after an interrupt, by the name of the command."""


class Group(click.Group):
    """Group of commands that shows an AlsegError as one message without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command; the exit code is 2 after an error and 130 after an interrupt."""
        try:
            return super().invoke(ctx)
        except AlsegError as error:
            from bench.study.typeable import typeable  # imports pydantic, and help is wanted at once

            click.echo(typeable(f"error: {error}"), err=True)
            ctx.exit(2)
        except KeyboardInterrupt as stop:  # what it says is more exact
            goes_on = stop.args[0] if stop.args else _GOES_ON.get(ctx.invoked_subcommand or "")
            click.echo(f"stopped; {goes_on}" if goes_on else "stopped", err=True)
            ctx.exit(130)


class Folder(click.Path):
    """Path of a folder, which need not exist; an empty one would be the current folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; fail if it is empty or that of a file."""
        if value == "":
            self.fail("the path of a folder was wanted, got ''.", param, ctx)
        return super().convert(value, param, ctx)


def whole_settings(_context: click.Context, _option: click.Parameter, settings: tuple[str, ...]) -> tuple[str, ...]:
    """Return the settings unchanged. Raises ConfigError for part of a setting that a shell or make has split."""
    for before, setting in zip(("", *settings), settings, strict=False):
        if "=" not in setting:
            after = f" after {shown(before)}" if before else ""
            raise ConfigError(
                f"--set wants KEY=VALUE, got {shown(setting)}{after}. Quote a value that has blanks; in make's SET, "
                'where blanks separate settings, write it without: SET="members=3 schedules.low=[10,20,40]".'
            )
    return settings


def _typed(context: click.Context, _option: click.Parameter, command: str | None) -> str | None:
    """Let messages speak as the command that was typed, also those of options that are read after this one."""
    if command is not None and command.startswith("make "):
        from bench.study.typeable import words_of_make

        context.find_root().with_resource(words_of_make())
    return command


TYPED: dict[str, Any] = {
    "hidden": True,
    "is_eager": True,
    "callback": _typed,
    "help": "The command that was typed instead of this one, without its seeds.",
}
"""The option ``--typed``."""
DOWNLOAD = click.option(
    "--download/--no-download",
    default=True,
    help="Whether to download open data that are missing to data/DATASET.  [default: download]",
)


def launcher_name(launcher: str | None, local: bool) -> str | None:
    """Return the name of the launcher, None for the default. Raises ConfigError where two were given."""
    if local and launcher not in (None, "local"):
        raise ConfigError(f"--local is short for --launcher local, and --launcher {launcher} was given too; drop one.")
    return "local" if local else launcher


LOCAL = click.option("--local", is_flag=True, help="Run in this process, without Ray: short for --launcher local.")
LAUNCHER = click.option(
    "--launcher",
    metavar="NAME",
    help="What executes the runs: ray, local (one after another in this process), or a class as module:Class.  "
    "[default: ray]",
)
OUT = click.option(
    "--out",
    type=Folder(),
    default=Path("runs"),
    show_default=True,
    help="Folder for results and prepared data.",
)
