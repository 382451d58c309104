"""One number that was measured, and the table of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from table import plain

Unit = Literal["s", "bytes", "share", "count"]
HEAD = ("part", "what", "measured", "a run", "note")
LEFT = ("part", "what", "note")


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    part: str
    what: str
    value: float
    unit: Unit = "s"
    each: bool = False
    """Whether to show it for each run, too."""
    note: str = ""


def text(figures: Sequence[Figure], runs: int) -> str:
    """Return the table of a study of ``runs`` runs."""
    rows = [
        (f.part, f.what, shown(f.value, f.unit), shown(f.value / runs, f.unit) if f.each else "", f.note)
        for f in figures
    ]
    return "\n".join(plain(rows, HEAD, LEFT))


def shown(value: float, unit: Unit) -> str:
    """Return a number as text."""
    if unit == "count":
        return f"{value:,.0f}"
    if unit == "share":
        return f"{value:.1%}"
    if unit == "bytes":
        return f"{value / 1e6:,.1f} MB" if value >= 1e5 else f"{value / 1e3:,.1f} kB"
    return f"{value / 60:,.1f} min" if value >= 120 else f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"
