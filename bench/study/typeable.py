"""Messages as a user can type them: the programs' paths, and the words of make where make started the command.

Messages name ``alseg ...``, ``mlflow ...`` and the options of ``alseg``. What prints them says :func:`typeable`; files
that travel, such as reports, keep the plain names.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMANDS = (
    "bench",
    "tune",
    "report",
    "list",
    "data",
    "embed",
    "store",
    "run",
    "new",
    "ui",
    "project",
    "bundle",
    "leaderboard",
    "diff",
)
"""Commands of ``alseg``."""
PROGRAM = re.compile(rf"(?<![\w/.-])(?:(alseg)(?= (?:{'|'.join(COMMANDS)})\b)|(mlflow)(?= ui\b))")
"""A program where a command starts."""
TARGETS = ("bench", "tune", "report", "ui", "test", "perf", "gpu-check")
"""Targets of make that messages name."""
WHOLE = re.compile(
    rf"(?<![\w/.-])(?:alseg (?:{'|'.join(COMMANDS)})|mlflow ui|make (?:{'|'.join(TARGETS)}))\b(?:(?!\. )[^\n;,)`])*"
)
"""A command with its arguments, whose options are its own; it ends with its sentence."""

VALUE = r"(?:\"[^\"]*\"|\[[^\]]*\]|\{[^}]*\}|[^\s,;)'\"]*[^\s,;).:?'\"])"
SETTING = rf"--set ([\w.:-]+)=({VALUE})"
SETTINGS = re.compile(rf"{SETTING}(?: {SETTING})*")
PLACE = re.compile(r"--(out|launcher)\b(?: ([A-Z]+\b|(?:ray|local)\b|[A-Za-z_][\w.]*:[A-Za-z_]\w*|\S*/\S*[^\s,;).?]))?")
SWITCHES = {"--estimate": "ESTIMATE=1", "--local": "LOCAL=1", "--no-download": "DOWNLOAD=0"}
VARIABLES = {
    "data": "DATA",
    "dataset": "DATASET",
    "datasets": "DATASET",
    "recipes": "RECIPES",
    "annotations": "ANNOTATION",
    "settings.annotations": "ANNOTATION",
    "seeds": "SEEDS",
    "trials": "TRIALS",
}
"""Settings that are variables of make; all others go to SET."""

_by_make = False


@contextmanager
def words_of_make() -> Iterator[None]:
    """Within the block, messages advise variables of make instead of options of ``alseg``."""
    global _by_make
    before, _by_make = _by_make, True
    try:
        yield
    finally:
        _by_make = before


def typeable(text: str) -> str:
    """Return a message in which every command works as it is printed; a text that has passed already stays as it is."""
    if _by_make:
        at, parts = 0, []
        for whole in WHOLE.finditer(text):
            parts += [_in_make(text[at : whole.start()]), whole[0]]
            at = whole.end()
        text = "".join([*parts, _in_make(text[at:])])
    return PROGRAM.sub(lambda found: _path(found[0]), text)


def quoted(path: Path) -> str:
    """Return a path as the shell wants it in a command, in quotes if it has blanks or other signs of the shell."""
    return shlex.quote(str(path))


def has_make() -> bool:
    """Return whether the current folder has the Makefile of this program."""
    makefile = Path("Makefile")
    return makefile.is_file() and "alseg ui" in makefile.read_text(errors="replace")


def _path(program: str) -> str:
    """Return how a program of this environment is called from here: its name, or its path where PATH has another."""
    own = Path(sysconfig.get_path("scripts")) / program
    on_path = shutil.which(program)
    if not own.exists() or (on_path is not None and os.path.samefile(on_path, own)):
        return program
    here = Path.cwd()
    return shlex.quote(str(own.relative_to(here) if own.is_relative_to(here) else own))


def _in_make(text: str) -> str:
    """Replace options of ``alseg bench`` and ``alseg tune`` by variables of make."""
    text = SETTINGS.sub(lambda found: _variables(found[0]), text)
    text = PLACE.sub(lambda found: f"{found[1].upper()}={found[2] or ''}", text)
    for option, variable in SWITCHES.items():
        text = re.sub(rf"{option}\b(?!-)", variable, text)
    return re.sub(r"--set\b(?!-| ['\"])", "SET", text)


def _variables(settings: str) -> str:
    own, others = [], []
    for key, value in re.findall(SETTING, settings):
        plain = value.strip('"')
        if key in VARIABLES:
            own.append(f'{VARIABLES[key]}="{plain}"' if re.search(r"\s", plain) else f"{VARIABLES[key]}={plain}")
        else:
            others.append(f"{key}={plain}")
    return " ".join([*own, f'SET="{" ".join(others)}"'] if others else own)
