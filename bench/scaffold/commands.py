"""Commands to copy from the screen, as they work in the current folder."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from shlex import quote

from bench.study import experiments


def bench_command(study: str, **settings: str) -> str:
    """Return the command that runs the quick study under a name of its own.

    It is ``make bench`` in a checkout of the program, else ``alseg bench``. settings: those of the study, among them
    ``recipes``, or ``datasets`` and ``data``.
    """
    if not _has_makefile():
        settings = {"name": study, **settings}
        return " ".join([alseg(), "bench quick", *(f"--set {quote(f'{k}={v}')}" for k, v in settings.items())])
    options = {"datasets": "DATASET", "data": "DATA", "recipes": "RECIPES"}
    given = [f"{options[key]}={_quoted(value)}" for key, value in settings.items()]
    return " ".join(["make bench", *given, *([] if "datasets" in settings else [f'SET="name={study}"'])])


def alseg() -> str:
    """Return what stands for ``alseg`` on a command line in the current folder."""
    script = Path(sys.executable).with_name("alseg")
    if not script.is_file():
        return f"{python()} -m bench.cli"
    found = shutil.which("alseg")
    return "alseg" if found and Path(found).samefile(script) else _path(script)


def python() -> str:
    """Return what stands for the Python of this program on a command line in the current folder."""
    return _path(Path(sys.executable))


def _has_makefile() -> bool:
    here = Path.cwd()
    return experiments().parent == here and (here / "Makefile").is_file()


def _path(program: Path) -> str:
    """Return a path as a shell takes it, relative to the current folder where it is below that."""
    here = Path.cwd()
    return quote(str(program.relative_to(here) if program.is_relative_to(here) else program))


def _quoted(value: str) -> str:
    """Return a value for make, in double quotes as the README has them if it consists of several words."""
    plain = value.replace(" ", "")
    return f'"{value}"' if plain != value and quote(plain) == plain else quote(value)
