"""Pairwise penalty matrix: how often one recipe lost to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from bench.report.figures.drawing import Drawing
from bench.report.figures.letters import NAME, cut
from bench.report.figures.style import DPI, FULL, INK, WIDTH
from bench.report.runs.results import Results
from bench.report.setting import Scope, rows_of, short_title
from bench.report.statistics.paired import FEW_SEEDS

if TYPE_CHECKING:
    from bench.report.analysis import Analysis

NARROW = 12
"""Most recipes whose matrix fits a phone."""
CROWDED = 24
"""Most recipes with room for two digits per cell."""


def matrix(penalties: pd.DataFrame) -> pd.DataFrame:
    """Return the matrix winners x losers, ordered by wins from the top and from the left; NaN = not compared."""
    table = penalties.pivot(index="winner", columns="loser", values="penalty")
    names = list(dict.fromkeys([*penalties["winner"], *penalties["loser"]]))
    table = table.reindex(index=names, columns=names)
    order = (table.sum(axis=1) - 1e-6 * table.sum(axis=0)).sort_values(ascending=False, kind="stable").index
    return table.loc[order, order]


def draw(_results: Results, analysis: Analysis, setting: Scope) -> Figure | str:
    """Draw a heat map with numbers."""
    penalties = rows_of(analysis.penalties, setting)
    if penalties.empty:
        return f"no two recipes have {FEW_SEEDS} seeds in common"
    table = matrix(penalties)
    values = table.fillna(0.0).to_numpy()
    if not values.any():
        return "the interval of no difference between two recipes leaves 0 out at any budget"
    count = len(table)
    width = WIDTH if count <= NARROW else FULL
    cell = min(0.5, (width - 2.4) / count)
    figure = Figure(figsize=(width, count * cell + 1.9), dpi=DPI, layout="constrained")
    axis = figure.subplots()
    shades = matplotlib.colormaps["Blues"]
    image = axis.imshow(values, cmap=shades, vmin=0, vmax=1, aspect="equal", interpolation="none")
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
    names = min(10.0, 62 * cell)
    texts = [cut(recipe, NAME) for recipe in table.index]
    axis.set_xticks(range(count), texts, rotation=60, ha="right", rotation_mode="anchor", fontsize=names)
    axis.set_yticks(range(count), texts, fontsize=names)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_xlabel("loser")
    axis.set_ylabel("winner")
    axis.set_title(short_title(setting))
    figure.colorbar(image, ax=axis, shrink=0.7, label="share of budgets lost")
    return figure


PENALTIES = Drawing(
    "Pairwise penalty matrix",
    "Share of budgets at which the recipe of the column was worse than the recipe of the row: the 95 % interval of "
    "their paired difference, over seeds and test patients, leaves 0 out. Recipes that win most are on top. "
    "Exploratory: each interval is taken alone, so about one in twenty leaves 0 out by chance.",
    draw,
)
