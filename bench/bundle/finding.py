"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One fact that a reader of a bundle should know."""

    text: str
    """The fact, with the run and round it is about."""
    problem: bool = True
    """Whether the bundle fails for it; otherwise it is a note, such as what could not be checked."""


def note(text: str) -> Finding:
    """Return a fact for which no bundle fails."""
    return Finding(text, problem=False)
