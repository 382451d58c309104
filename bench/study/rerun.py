"""The command that a study was started with, for messages that ask for more seeds."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

SEEDS = "{seeds}"
"""What stands for the seeds in a recorded command."""
PROGRAMS = ("alseg bench ", "make bench ")
"""Beginnings of recorded commands."""


def recorded(study: str, settings: Iterable[str], out: Path, launcher: str | None, typed: str | None = None) -> str:
    """Return the command line of a study with :data:`SEEDS` in place of its seeds.

    typed: the command that was typed instead, such as ``make bench DATASET=acdc``, without its seeds.
    """
    if typed:
        return f"{typed.strip()} SEEDS={SEEDS}"
    kept = [word for setting in settings if not setting.startswith("seeds=") for word in ("--set", setting)]
    chosen = ["--launcher", launcher] if launcher else []
    return f"{shlex.join(['alseg', 'bench', study, *kept, *chosen, '--out', str(out)])} --set seeds={SEEDS}"


def with_seeds(command: str, present: Sequence[int], count: int) -> str:
    """Return a recorded command with ``count`` seeds: those that are ``present`` first, so that their runs are kept."""
    missing = (seed for seed in range(count + len(present)) if seed not in present)
    seeds = [*present, *(next(missing) for _ in range(count - len(present)))]
    text = str(count) if sorted(seeds) == list(range(count)) else f'"[{",".join(map(str, seeds))}]"'
    return command.replace(SEEDS, text)


def harmless(command: object) -> bool:
    """Return whether a command from a study.json is one of alseg, which a shell takes for nothing else."""
    if not isinstance(command, str) or not command.startswith(PROGRAMS) or any(sign in command for sign in "$`!\\"):
        return False
    try:
        words = list(shlex.shlex(command, posix=True, punctuation_chars=True))
    except ValueError:  # a quotation without end
        return False
    return not any(set(word) <= set("();<>|&") for word in words if word)
