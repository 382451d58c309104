"""Pairwise penalty matrix: how often one recipe lost to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bench.report.figures.drawing import Drawing
from bench.report.figures.style import DPI, FULL, INK, WIDTH
from bench.report.runs.results import Results
from bench.report.setting import Scope, rows_of, short_title

if TYPE_CHECKING:
    from bench.report.analysis import Analysis

FRAME = "#D55E00"
NARROW = 12
"""Most recipes whose matrix fits a phone."""
CROWDED = 24
"""Most recipes with room for two digits per cell."""


def matrix(penalties: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the matrix winners x losers, 0 without losses, ordered by wins from the top and from the left."""
    table = penalties.pivot(index="winner", columns="loser", values=column)
    names = list(dict.fromkeys([*penalties["winner"], *penalties["loser"]]))
    table = table.reindex(index=names, columns=names).fillna(0.0)
    order = (table.sum(axis=1) - 1e-6 * table.sum(axis=0)).sort_values(ascending=False, kind="stable").index
    return table.loc[order, order]


def draw(_results: Results, analysis: Analysis, setting: Scope) -> Figure | str:
    """Draw a heat map with numbers; cells that remain after Holm's correction are framed."""
    penalties = rows_of(analysis.penalties, setting)
    if penalties.empty:
        return "no pair of recipes has two seeds in common, which a paired test needs"
    table = matrix(penalties, "penalty")
    values = table.to_numpy()
    if not values.any():
        return "no difference between two recipes was significant at any budget, corrected or not"
    corrected = matrix(penalties, "penalty_holm").loc[table.index, table.columns].to_numpy()
    count = len(table)
    width = WIDTH if count <= NARROW else FULL
    cell = min(0.5, (width - 2.4) / count)
    figure = Figure(figsize=(width, count * cell + 1.9), dpi=DPI, layout="constrained")
    axis = figure.subplots()
    shades = matplotlib.colormaps["Blues"]
    image = axis.imshow(values, cmap=shades, vmin=0, vmax=1, aspect="equal")
    digits = 2 if count <= CROWDED else 1
    size = min(9.0, (22 if digits == 2 else 32) * cell)
    for i in range(count):
        for j in range(count):
            value = values[i, j]
            if value > 0:
                axis.text(
                    j,
                    i,
                    f"{value:.{digits}f}".lstrip("0") if value < 1 else "1",
                    ha="center",
                    va="center",
                    fontsize=size,
                    color="white" if value > 0.55 else INK,
                )
            if corrected[i, j] > 0:
                frame = Rectangle((j - 0.46, i - 0.46), 0.92, 0.92, fill=False, edgecolor=FRAME, linewidth=1.6)
                axis.add_patch(frame)
    names = min(10.0, 62 * cell)
    axis.set_xticks(range(count), table.columns, rotation=60, ha="right", rotation_mode="anchor", fontsize=names)
    axis.set_yticks(range(count), table.index, fontsize=names)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_xlabel("loser")
    axis.set_ylabel("winner")
    axis.set_title(short_title(setting))
    figure.colorbar(image, ax=axis, shrink=0.7, label="share of budgets lost")
    return figure


PENALTIES = Drawing(
    "Pairwise penalty matrix",
    "Share of budgets at which the recipe of the column was significantly worse than the recipe of the row "
    "(two-sided t-test paired by seed, level .05); recipes that win most are on top. Without correction one test in "
    "twenty is a false alarm: only framed cells remain after Holm's correction over all pairs and budgets.",
    draw,
)
