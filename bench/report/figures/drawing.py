"""What a figure of a report is: its description, and the result of drawing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from matplotlib.figure import Figure

from bench.report.runs.results import Results
from bench.report.setting import Scope

if TYPE_CHECKING:
    from bench.report.analysis import Analysis


@dataclass(frozen=True)
class Drawing:
    """A kind of figure."""

    title: str
    """Title of the figure."""
    caption: str
    """How to read it."""
    draw: Callable[[Results, Analysis, Scope], Figure | str]
    """Function of results, analysis and scope; returns the figure, or one line that says why there is none."""
    per: Literal["setting", "dataset"] = "setting"
    """Whether to draw one for every setting, or one for every dataset with all its annotations and schedules."""
    vector: bool = True
    """Whether to write it as SVG and PDF too; not useful for pictures of scans and for very many marks."""
    scans: bool = False
    """Whether it shows scans, which not everyone may see."""


@dataclass(frozen=True)
class Drawn:
    """A figure of one scope, drawn or not."""

    name: str
    """Name of the kind of figure."""
    title: str
    """Title of the figure."""
    caption: str
    """How to read it."""
    scope: Scope
    """Setting, or dataset, that it shows."""
    path: Path | None
    """PNG file; None if there is none. SVG and PDF files of the same name are beside it if there is ``svg``."""
    svg: str = ""
    """The figure as SVG for the page; "" if it is a picture of scans."""
    reason: str = ""
    """Why there is none."""
    failed: bool = False
    """Whether drawing raised an error: a fault of the program, or damaged files."""
    wide: bool = False
    """Whether narrow screens should scroll it instead of shrinking it."""


def scored(results: Results, setting: Scope) -> str:
    """Return the name of the scores: "test Dice", or "validation Dice" if no run was scored on test volumes."""
    own = [part for known, part in results.scored.items() if setting in (known, (known[0], None, None))]
    return "validation Dice" if own and set(own) == {"val"} else "test Dice"
