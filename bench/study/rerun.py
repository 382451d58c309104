"""The command that a study was started with, for messages that ask for more seeds."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.study.study import Study

SEEDS = "{seeds}"
"""What stands for the seeds in a recorded command."""
OPTIONS = ("--set", "--launcher", "--out")
"""Options of ``alseg bench`` in recorded commands."""
VARIABLES = ("DATASET", "DATA", "PRESET", "RECIPES", "SEEDS", "ANNOTATION", "OUT", "STUDY", "LOCAL", "LAUNCHER", "SET")
"""Variables of ``make bench`` that say what is run; others, such as PYTHON or SHELL, would run something else."""
PLAIN = re.compile(r"[\w .,:=/\[\]{}+@%~-]*")
"""Values of variables, which ``make`` gives to a shell once more."""
FROM_ELSEWHERE = re.compile(r"[^\s,=\[\]{}'\"]+\.ya?ml\b|\b[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""YAML files and classes, MODULE:CLASS, in a word of a command."""


def recorded(study: str, settings: Iterable[str], out: Path, launcher: str | None, typed: str | None = None) -> str:
    """Return the command line of a study with :data:`SEEDS` in place of its seeds.

    typed: the command that was typed instead, such as ``make bench DATASET=acdc``, without its seeds.
    """
    if typed:
        return f"{typed.strip()} SEEDS={SEEDS}"
    kept = [word for setting in settings if not setting.startswith("seeds=") for word in ("--set", setting)]
    chosen = ["--launcher", launcher] if launcher else []
    return f"{shlex.join(['alseg', 'bench', study, *kept, *chosen, '--out', str(out)])} --set seeds={SEEDS}"


def with_folders(study: Study, settings: Sequence[str], typed: str | None) -> tuple[Sequence[str], str | None]:
    """Return the settings and the typed command with the folders of raw scans that were found without being named."""
    found = {file.name: file.root(None) for file in study.files() if file.given(study.data) is None}
    folders = {name: folder for name, folder in found.items() if folder is not None}
    if not folders:
        return settings, typed
    if len(folders) == 1 and study.data is None:
        (folder,) = folders.values()
        return [*settings, f"data={folder}"], typed and f"{typed.strip()} DATA={shlex.quote(folder)}"
    more = [f"data.{name}={folder}" for name, folder in folders.items()]
    if typed and " SET=" not in typed and not any(" " in setting for setting in more):
        typed = f'{typed.strip()} SET="{" ".join(more)}"'
    return [*settings, *more], typed


def with_seeds(command: str, present: Sequence[int], count: int) -> str:
    """Return a recorded command with ``count`` seeds: those that are ``present`` first, so that their runs are kept."""
    missing = (seed for seed in range(count + len(present)) if seed not in present)
    seeds = [*present, *(next(missing) for _ in range(count - len(present)))]
    text = str(count) if sorted(seeds) == list(range(count)) else f'"[{",".join(map(str, seeds))}]"'
    return command.replace(SEEDS, text)


def harmless(command: object) -> bool:
    """Return whether a command from a study.json is one that :func:`recorded` makes and a shell takes for no other."""
    if not isinstance(command, str) or any(sign in command for sign in "$`!\\\n"):
        return False
    try:
        words = shlex.split(command)
        tokens = list(shlex.shlex(command, posix=True, punctuation_chars=True))
    except ValueError:  # a quotation without end
        return False
    if any(set(token) <= set("();<>|&") for token in tokens if token):
        return False
    program, given = words[:2], words[2:]
    if program == ["alseg", "bench"]:  # a study, and options with their values
        return len(given) % 2 == 1 and not given[0].startswith("-") and set(given[1::2]) <= set(OPTIONS)
    pairs = [word.partition("=") for word in given]
    return program == ["make", "bench"] and all(
        name in VARIABLES and equals and PLAIN.fullmatch(value) for name, equals, value in pairs
    )


def advice(command: str, present: Sequence[int], count: int) -> str:
    """Return :func:`with_seeds` for a text, with a warning where the command names files or classes.

    The command is from a study.json, perhaps one from elsewhere, and files and classes of its choice can run any code.
    """
    text = f"`{with_seeds(command, present, count)}`"
    named = list(dict.fromkeys(FROM_ELSEWHERE.findall(command)))
    if not named:
        return text
    return f"{text} (recorded in the folder of the results; make sure that you trust {' and '.join(named)} first)"
