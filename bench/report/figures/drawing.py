"""What a picture of the report is."""

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
    """A kind of picture.

    caption: how to read it. draw: results, analysis and setting -> the figure, or one line why there is none.
    per: one for every setting, or one for every dataset with all its annotations and schedules.
    """

    title: str
    caption: str
    draw: Callable[[Results, Analysis, Scope], Figure | str]
    per: Literal["setting", "dataset"] = "setting"


@dataclass(frozen=True)
class Drawn:
    """A picture of one setting. path: the PNG, or None where there is none, and then ``reason`` says why.

    failed: drawing it raised an error, which is a fault of the program or of damaged files. wide: on a narrow screen it
    is to be scrolled, not shrunk.
    """

    name: str
    title: str
    caption: str
    scope: Scope
    path: Path | None
    reason: str = ""
    failed: bool = False
    wide: bool = False


def scored(results: Results, setting: Scope) -> str:
    """What the scores are: "test Dice", or "validation Dice" where no run looked at test volumes."""
    own = [part for known, part in results.scored.items() if setting in (known, (known[0], None, None))]
    return "validation Dice" if own and set(own) == {"val"} else "test Dice"
