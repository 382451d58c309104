"""What a picture of the report is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
from matplotlib.figure import Figure

from bench.report.runs.results import SETTING, Results

if TYPE_CHECKING:
    from bench.report.analysis import Analysis

Setting = tuple[str, str | None, str | None]
"""(dataset, annotation, schedule); None stands for all of them."""


@dataclass(frozen=True)
class Drawing:
    """A kind of picture.

    caption: how to read it. draw: results, analysis and setting -> the figure, or one line why there is none.
    per: one for every setting, or one for every dataset with all its annotations and schedules.
    """

    title: str
    caption: str
    draw: Callable[[Results, Analysis, Setting], Figure | str]
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
    setting: Setting
    path: Path | None
    reason: str = ""
    failed: bool = False
    wide: bool = False


def of(frame: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """Rows of a setting."""
    keep = pd.Series(True, index=frame.index)
    for column, value in zip(SETTING, setting, strict=True):
        if value is not None:
            keep &= frame[column] == value
    return frame[keep]


def title_of(setting: Setting) -> str:
    """A setting in words; the schedule that everyone has goes without saying."""
    return ", ".join(str(part) for part in setting if part not in (None, "default"))


def scored(results: Results, setting: Setting) -> str:
    """What the scores are: "test Dice", or "validation Dice" where no run looked at test volumes."""
    own = [part for known, part in results.scored.items() if setting in (known, (known[0], None, None))]
    return "validation Dice" if own and set(own) == {"val"} else "test Dice"
