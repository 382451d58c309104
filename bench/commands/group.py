"""What the commands share: the display of errors and interrupts, and common options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from alseg_core.errors import AlsegError
from bench.study.visible import visible_lines

_ROUNDS = "; the same command continues from the last finished rounds"
_DOWNLOAD = "; the same command continues the download"
_GOES_ON = {"bench": _ROUNDS, "tune": _ROUNDS, "run": _ROUNDS, "fetch": _DOWNLOAD}
"""What the same command does after an interrupt, by the name of the command."""


class Group(click.Group):
    """Group of commands that shows an AlsegError as one message without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command; the exit code is 2 after an error and 130 after an interrupt."""
        try:
            return super().invoke(ctx)
        except AlsegError as error:
            click.echo(f"error: {visible_lines(str(error))}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            click.echo(f"stopped{_GOES_ON.get(ctx.invoked_subcommand or '', '')}", err=True)
            ctx.exit(130)


LAUNCHER = click.option(
    "--launcher",
    metavar="NAME",
    help="What executes the runs: ray, local (one after another in this process), or a class as module:Class.  "
    "[default: ray]",
)
OUT = click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder for results and prepared data.",
)
