"""Dice against labelled slices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.figures.drawing import Drawing, scored
from bench.report.figures.highlight import highlighted, palette
from bench.report.figures.labels import End, end_labels
from bench.report.figures.looks import Look
from bench.report.figures.single_runs import dice, few, points, shown_intervals
from bench.report.figures.style import FAINT, blank
from bench.report.figures.vector import belong
from bench.report.figures.window import window
from bench.report.runs.results import Results
from bench.report.setting import Scope, rows_of, short_title
from bench.report.statistics.paired import FEW_SEEDS

if TYPE_CHECKING:
    from bench.report.analysis import Analysis

LOG_FROM = 12
"""Ratio of largest to smallest budget above which the axis is logarithmic."""


def draw(results: Results, analysis: Analysis, setting: Scope) -> Figure | str:
    """Draw one line per recipe with intervals; if there are many, those not highlighted are grey."""
    cells, runs = shown_intervals(rows_of(analysis.cells, setting)), dice(results, setting)
    if cells.empty:
        return "no finished round"
    figure, axis = blank(4.6)
    log = scale(axis, cells["labelled"])
    ends = lines(axis, cells, runs, "labelled", highlighted(analysis, setting), palette(results), log)
    ticks(axis, cells["labelled"])
    axis.set_xlabel("labelled slices")
    finish(axis, interval_text(results, cells, setting), short_title(setting), cells, runs, ends)
    return figure


def finish(axis: Axes, score: str, title: str, cells: pd.DataFrame, runs: pd.DataFrame, ends: Sequence[End]) -> None:
    """Title the figure of some lines, name its vertical axis, and label the lines at their ends."""
    axis.set_ylabel(score)
    axis.set_title(title)
    axis.grid(axis="y")
    window(axis, cells, runs)
    end_labels(axis, ends)


def lines(
    axis: Axes,
    cells: pd.DataFrame,
    runs: pd.DataFrame,
    amount: str,
    names: Sequence[str],
    look: Mapping[str, Look],
    log: bool,
) -> list[End]:
    """Plot one line per recipe over the column ``amount``; return name, end and look of those in ``names``.

    The others are grey.
    """
    for recipe, line in cells[~cells["recipe"].isin(names)].groupby("recipe", sort=False):
        line = line.sort_values(amount)
        belong(str(recipe), *axis.plot(line[amount], line["mean"], color=FAINT, linewidth=1, zorder=1, label=recipe))
    ends = []
    for i, recipe in enumerate(names):
        line = cells[cells["recipe"] == recipe].sort_values(amount)
        x = aside(line[amount].to_numpy(float), i, len(names), float(cells[amount].max()), log)
        interval_line(axis, x, line, look[recipe], recipe, runs[runs["recipe"] == recipe])
        ends.append(End(recipe, recipe, float(x[-1]), float(line["mean"].iloc[-1]), look[recipe]))
    return ends


def interval_line(axis: Axes, x: np.ndarray, line: pd.DataFrame, look: Look, label: str, runs: pd.DataFrame) -> None:
    """Plot the means of a recipe's cells with their intervals as bars, or with its runs as points if it has few."""
    mean, low, high = (line[name].to_numpy(float) for name in ("mean", "low", "high"))
    below, above = np.nan_to_num(mean - low).clip(0), np.nan_to_num(high - mean).clip(0)
    sparse = few(line)
    drawn = axis.errorbar(
        x,
        mean,
        yerr=None if sparse else [below, above],
        label=label,
        color=look.colour,
        marker=look.marker,
        linestyle=look.line,
        markersize=5,
        linewidth=1.6,
        elinewidth=0.9,
        capsize=2,
        zorder=3,
    )
    recipe = str(line["recipe"].iloc[0])
    belong(recipe, *drawn.get_children())
    if sparse:
        for place, number in zip(x, line["round"], strict=True):
            belong(recipe, points(axis, place, runs.loc[runs["round"] == number, "value"], look))


def interval_text(results: Results, cells: pd.DataFrame, setting: Scope) -> str:
    """Return the title of the axis, with what the intervals are over."""
    wide = cells[cells["seeds"] >= FEW_SEEDS]
    if wide.empty:
        return f"{scored(results, setting)}, mean\n(points: single runs)"
    over = {"seeds x volumes": "seeds and patients", "volumes": "patients alone"}
    kinds = [over.get(kind, kind) for kind in wide.get("interval", pd.Series(dtype=object)).dropna().unique() if kind]
    return f"{scored(results, setting)}, 95 % interval" + ("\nover " + "\nor ".join(kinds) if kinds else "")


def scale(axis: Axes, values: pd.Series) -> bool:
    """Make the x axis logarithmic if the values span a wide range; return whether it is."""
    log = values.min() > 0 and values.max() > LOG_FROM * values.min()
    if log:
        axis.set_xscale("log")
    return bool(log)


def aside(x: np.ndarray, number: int, count: int, largest: float, log: bool) -> np.ndarray:
    """Return the x values of line ``number`` of ``count``, shifted slightly so that bars do not overlap."""
    step = number - (count - 1) / 2
    moved: np.ndarray = x * math.exp(0.012 * step) if log else x + min(0.006, 0.06 / count) * largest * step
    return moved


def ticks(axis: Axes, labelled: pd.Series) -> None:
    """Label the x axis with as many budgets as fit side by side."""
    values = sorted({round(value) for value in labelled})
    place = np.log(values) if axis.get_xscale() == "log" else np.array(values, dtype=float)
    room = 0.1 * (place[-1] - place[0])
    kept = [len(values) - 1]  # always the last budget
    for i in range(len(values) - 2, -1, -1):
        if place[kept[-1]] - place[i] >= room:
            kept.append(i)
    axis.set_xticks(values, [str(value) if i in kept else "" for i, value in enumerate(values)])
    axis.set_xticks([], minor=True)


CURVES = Drawing(
    "Dice against labelled slices",
    "Each line is a recipe: its mean Dice after every budget, shifted slightly sideways so that bars do not overlap. "
    "If there are many recipes, only the best, random and one reference that reads ground truth are coloured. Bars "
    "are 95 % intervals over seeds and test patients, and an arrow at the edge of the figure means that one goes on; "
    f"the table says which differences they show. With fewer than {FEW_SEEDS} seeds, small points are single runs "
    "instead.",
    draw,
)
