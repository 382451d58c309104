"""Dice against annotation time (Vepa et al., NeurIPS 2024, Fig. 2)."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.report.figures.curves import aside, interval_line, interval_text, scale
from bench.report.figures.drawing import Drawing
from bench.report.figures.highlight import highlighted, palette
from bench.report.figures.labels import End, end_labels
from bench.report.figures.looks import Look
from bench.report.figures.single_runs import dice, shown_intervals
from bench.report.figures.style import FAINT, QUIET, blank
from bench.report.figures.vector import belong
from bench.report.figures.window import window
from bench.report.runs.results import Results
from bench.report.setting import Scope, rows_of, short_title

if TYPE_CHECKING:
    from bench.report.analysis import Analysis

KINDS: tuple[Any, ...] = ("-", "--", ":", "-.")
"""Line styles of the kinds of annotation, cheapest slice first."""
NAME_WIDTH = 28
"""Characters in a line of a kind's name."""
EACH = 3
"""Recipes of each kind that are highlighted if there are many."""


def draw(results: Results, analysis: Analysis, setting: Scope) -> Figure | str:
    """Draw one line per recipe, kind of annotation and schedule of a dataset."""
    cells, runs = shown_intervals(rows_of(analysis.cells, setting)), dice(results, setting)
    if cells.empty:
        return "no finished round"
    timed = cells["minutes"].notna().all()
    cells = cells.assign(
        time=cells["minutes"] if timed else 100 * cells["cost"] * cells["fraction"] / cells["labelled"]
    )
    kinds = list(cells.groupby("annotation")["time"].min().sort_values(kind="stable").index)
    if len(kinds) < 2:
        return f"all runs use one kind of annotation ({kinds[0]})"
    look = palette(results)
    figure, axis = blank(5.0)
    log = scale(axis, cells["time"])
    if log:
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    often = cells.groupby("recipe")[["annotation", "schedule"]].apply(lambda rows: len(rows.drop_duplicates()))
    ends: list[End] = []
    for (annotation, schedule), part in cells.groupby(["annotation", "schedule"], sort=False):
        own: Scope = (setting[0], str(annotation), str(schedule))
        shown, of_part = highlighted(analysis, own, best=EACH), dice(results, own)
        for recipe, line in part.groupby("recipe", sort=False):
            name, line = str(recipe), line.sort_values("time")
            if name not in shown:
                belong(name, *axis.plot(line["time"], line["mean"], color=FAINT, linewidth=1, zorder=1))
                continue
            drawn = Look(look[name].colour, look[name].marker, KINDS[kinds.index(annotation) % len(KINDS)])
            again = often[name] > 1
            label = f"{name}, {short_title((str(annotation), str(schedule), None))}" if again else name
            x = aside(line["time"].to_numpy(float), shown.index(name), len(shown), float(cells["time"].max()), log)
            interval_line(axis, x, line, drawn, label, of_part[of_part["recipe"] == name])
            ends.append(End(name, label, float(x[-1]), float(line["mean"].iloc[-1]), drawn))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("minutes of annotation" if timed else "annotation time (% of annotating everything in full)")
    axis.set_ylabel(interval_text(results, cells, setting))
    axis.set_title(short_title(setting))
    axis.grid(axis="both")
    window(axis, cells, runs)
    end_labels(axis, ends)
    handles = [
        Line2D([], [], color=QUIET, linestyle=KINDS[i % len(KINDS)], label=textwrap.fill(kind, NAME_WIDTH))
        for i, kind in enumerate(kinds)
    ]
    axis.legend(handles=handles, loc="lower right", handlelength=2.6)
    return figure


ANNOTATION_TIME = Drawing(
    "Dice against annotation time",
    "All kinds of annotation of a dataset on one axis: the minutes that the labels of a run took by the study's model "
    "of annotation time. Where runs are too old to record minutes, it is their cost instead: annotating every slice in "
    "full is 100 %, and a scribbled slice costs the share of a full one that the study sets (1/15 by default). Of two "
    "lines, the upper left one buys more Dice for the same time.",
    draw,
    per="dataset",
)
