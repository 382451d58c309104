"""The command that a study was started with, for messages that ask for more seeds."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

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


def kept_seeds(present: Sequence[int], count: int) -> list[int]:
    """Return at least ``count`` seeds: those that are ``present`` first, so that their runs are kept."""
    missing = (seed for seed in range(count + len(present)) if seed not in present)
    return [*present, *(next(missing) for _ in range(count - len(present)))]


def with_seeds(command: str, present: Sequence[int], count: int) -> str:
    """Return a recorded command with the seeds of :func:`kept_seeds`."""
    seeds = kept_seeds(present, count)
    text = str(len(seeds)) if sorted(seeds) == list(range(len(seeds))) else f'"[{",".join(map(str, seeds))}]"'
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


def doubt(commands: Sequence[str]) -> str:
    """Return a remark for the end of a sentence with recorded commands that name files or classes; "" for others.

    The commands are from a study.json, perhaps one from elsewhere, and files and classes of its choice can run any
    code.
    """
    named = list(dict.fromkeys(name for command in commands for name in FROM_ELSEWHERE.findall(command)))
    which = "it" if len(commands) == 1 else "them"
    return f" (run {which} only if you trust {' and '.join(named)})" if named else ""
