"""Dice against the cost of all labels, those of validation included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from bench.report.figures.curves import finish, interval_text, lines
from bench.report.figures.drawing import Drawing
from bench.report.figures.highlight import highlighted, palette
from bench.report.figures.single_runs import dice, shown_intervals
from bench.report.figures.style import blank
from bench.report.runs.results import Results
from bench.report.setting import Scope, rows_of, short_title

if TYPE_CHECKING:
    from bench.report.analysis import Analysis


def draw(results: Results, analysis: Analysis, setting: Scope) -> Figure | str:
    """Draw one line per recipe over the labels of the pool and of validation together, from zero."""
    cells, runs = shown_intervals(rows_of(analysis.cells, setting)), dice(results, setting)
    if cells.empty:
        return "no finished round"
    if not cells["validation"].fillna(0).max():
        return "no validation labels were read"
    timed = bool(cells["minutes"].notna().all())
    cells = cells.assign(validation=cells["validation_minutes"] if timed else cells["validation"])
    cells = cells.assign(all=cells["minutes" if timed else "cost"] + cells["validation"])
    figure, axis = blank(4.6)
    ends = lines(axis, cells, runs, "all", highlighted(analysis, setting), palette(results), log=False)
    axis.set_xlim(left=0)
    axis.axvline(float(cells["validation"].max()), color="0.6", linewidth=1, linestyle=":")
    unit = "minutes of annotation, all labels" if timed else "cost of all labels, full-slice equivalents"
    axis.set_xlabel(f"{unit} (dotted: validation alone)")
    finish(axis, interval_text(results, cells, setting), short_title(setting), cells, runs, ends)
    return figure


TOTAL_COST = Drawing(
    "Dice against the cost of all labels",
    "The same means as over labelled slices, over everything that was labelled: the slices of the pool and the "
    "validation masks that choose each network's weights, which the other figures leave out. The axis has minutes "
    "where all rounds record them, else full masks.",
    draw,
)
