"""Dice against the minutes of annotation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.report.figures.curves import finish, interval_text, lines, scale
from bench.report.figures.drawing import Drawing
from bench.report.figures.highlight import highlighted, palette
from bench.report.figures.single_runs import dice, shown_intervals
from bench.report.figures.style import blank
from bench.report.runs.results import Results
from bench.report.setting import Scope, rows_of, short_title

if TYPE_CHECKING:
    from bench.report.analysis import Analysis


def draw(results: Results, analysis: Analysis, setting: Scope) -> Figure | str:
    """Draw one line per recipe over the minutes of the pool's labels."""
    cells, runs = shown_intervals(rows_of(analysis.cells, setting)), dice(results, setting)
    cells = cells[cells["minutes"].notna()]
    if cells.empty:
        return "no round records the minutes of annotation"
    figure, axis = blank(4.6)
    log = scale(axis, cells["minutes"])
    ends = lines(axis, cells, runs, "minutes", highlighted(analysis, setting), palette(results), log)
    if log:
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    validation = cells["validation_minutes"].max()
    axis.set_xlabel(
        "minutes of annotation" + (f" (validation labels: {validation:.0f} more)" if validation > 0 else "")
    )
    finish(axis, interval_text(results, cells, setting), short_title(setting), cells, runs, ends)
    return figure


MINUTES = Drawing(
    "Dice against minutes of annotation",
    "The same means as over labelled slices, over the minutes that annotating them took by the study's model of "
    "annotation time (minutes): opening volumes, looking at slices and drawing lines. A recipe that chooses slices "
    "with much to draw, or from many volumes, has its points further to the right than another at the same budget.",
    draw,
)
