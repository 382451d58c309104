"""Commands to copy from the screen, as they work in the current folder."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote

from bench.study.typeable import has_make


def bench_command(study: str, **settings: str) -> str:
    """Return the command that runs the quick study under a name of its own.

    It is ``make bench`` where the Makefile is, else ``alseg bench``. settings: those of the study, among them
    ``recipes``, or ``datasets`` and ``data``.
    """
    if not has_make():
        settings = {"name": study, **settings}
        return " ".join(["alseg bench quick", *(f"--set {quote(f'{k}={v}')}" for k, v in settings.items())])
    options = {"datasets": "DATASET", "data": "DATA", "recipes": "RECIPES"}
    given = [f"{options[key]}={_quoted(value)}" for key, value in settings.items()]
    return " ".join(["make bench", *given, *([] if "datasets" in settings else [f'SET="name={study}"'])])


def python() -> str:
    """Return what stands for the Python of this program on a command line in the current folder."""
    here, program = Path.cwd(), Path(sys.executable)
    return quote(str(program.relative_to(here) if program.is_relative_to(here) else program))


def _quoted(value: str) -> str:
    """Return a value for make, in double quotes as the README has them if it consists of several words."""
    plain = value.replace(" ", "")
    return f'"{value}"' if plain != value and quote(plain) == plain else quote(value)
