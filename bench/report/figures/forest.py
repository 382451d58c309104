"""One row per recipe with a point and its interval: AUBC, and the probability of beating random."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alseg_core.vocabulary import BASELINE, reads_ground_truth
from bench.report.compared import baseline, ranking
from bench.report.figures import single_runs
from bench.report.figures.drawing import Drawing, scored
from bench.report.figures.highlight import highlighted, palette
from bench.report.figures.letters import NAME, cut
from bench.report.figures.looks import Look
from bench.report.figures.single_runs import shown_intervals
from bench.report.figures.style import QUIET, blank
from bench.report.figures.vector import belong
from bench.report.runs.results import Results
from bench.report.setting import Scope, rows_of, short_title
from bench.report.statistics.paired import FEW_SEEDS

if TYPE_CHECKING:
    from bench.report.analysis import Analysis

ROW = 0.24
"""Height of a row, in inches."""


def rows_height(count: int) -> float:
    """Return the height of a figure of ``count`` rows, in inches."""
    return 1.3 + ROW * max(count, 3)


def name_rows(axis: Axes, recipes: list[str], more: Sequence[str] = ()) -> None:
    """Write the names of recipes down the left side, the first on top, and perhaps ``more`` after each."""
    texts = [cut(recipe, NAME) + after for recipe, after in zip_longest(recipes, more, fillvalue="")]
    axis.set_yticks(range(len(recipes)), texts)
    for recipe, label in zip(recipes, axis.get_yticklabels(), strict=True):
        belong(recipe, label)
    axis.set_ylim(len(recipes) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.grid(axis="x")


def points(axis: Axes, rows: pd.DataFrame, columns: tuple[str, str, str], look: dict[str, Look]) -> None:
    """Plot mean, low and high (``columns``) of every row in order; random and references are hollow."""
    for i, row in enumerate(rows[["recipe", *columns]].itertuples(index=False, name=None)):
        recipe, mean, low, high = row
        own = look[recipe]
        bar = axis.plot([low, high], [i, i], color=own.colour, linewidth=2, alpha=0.55, solid_capstyle="butt")
        hollow = recipe == BASELINE or reads_ground_truth(recipe)
        mark = axis.plot(
            [mean],
            [i],
            marker="o",
            markersize=6.5,
            color=own.colour,
            linestyle="none",
            label=recipe,
            markerfacecolor="white" if hollow else own.colour,
        )
        belong(str(recipe), *bar, *mark)


def _areas(results: Results, analysis: Analysis, setting: Scope) -> Figure | str:
    areas = rows_of(analysis.areas, setting)
    areas = areas[(areas["axis"] == "slices") & areas["mean"].notna()]
    areas = shown_intervals(areas.sort_values("mean", ascending=False, kind="stable"))
    if areas.empty:
        return "no AUBC: it needs complete runs with two or more budgets"
    figure, axis = blank(rows_height(len(areas)))
    base = areas[areas["recipe"] == baseline(analysis, setting)]
    if len(base):
        axis.axvline(base["mean"].iloc[0], color=QUIET, linewidth=1, zorder=0)
    if len(base) and base["low"].notna().all():
        axis.axvspan(base["low"].iloc[0], base["high"].iloc[0], color="#eeeeee", linewidth=0, zorder=0)
    look = _looks(results, analysis, setting)
    points(axis, areas, ("mean", "low", "high"), look)
    runs = single_runs.areas(results, setting)
    for i, (recipe, seeds) in enumerate(zip(areas["recipe"], areas["seeds"], strict=True)):
        if seeds < FEW_SEEDS:
            values = runs.get(recipe, [])
            belong(recipe, single_runs.points(axis, values, [i] * len(values), look[recipe]))
    name_rows(axis, list(areas["recipe"]), _seeds(areas))
    axis.use_sticky_edges = False  # else the band and its bar end at the frame
    axis.margins(x=0.04)
    what = "mean (small: single runs)" if single_runs.few(areas) else "95 % interval"
    axis.set_xlabel(f"AUBC of {scored(results, setting)} over slices, {what}")
    axis.set_title(short_title(setting))
    return figure


def _improvement(results: Results, analysis: Analysis, setting: Scope) -> Figure | str:
    standing, base = rows_of(analysis.standing, setting), baseline(analysis, setting)
    if base not in set(standing["recipe"]):
        return f"no runs of {base} to compare with"
    rows = standing[standing["improvement"].notna() & (standing["recipe"] != base)]
    if rows.empty:
        return f"no recipe other than {base} has a complete run"
    if single_runs.few(rows_of(analysis.areas, setting)):
        return f"fewer than {FEW_SEEDS} seeds: a probability needs several runs of a recipe"
    rank = {recipe: i for i, recipe in enumerate(ranking(analysis, setting))}
    rows = rows.assign(rank=rows["recipe"].map(rank)).sort_values(["improvement", "rank"], ascending=[False, True])
    figure, axis = blank(rows_height(len(rows)))
    axis.axvline(0.5, color=QUIET, linewidth=1, zorder=0)
    points(axis, rows, ("improvement", "improvement_low", "improvement_high"), _looks(results, analysis, setting))
    name_rows(axis, list(rows["recipe"]))
    axis.set_xlim(-0.03, 1.03)
    axis.set_xticks(np.linspace(0, 1, 5), ["0", ".25", ".5", ".75", "1"])
    axis.set_xlabel(f"probability of a higher AUBC than {cut(base, NAME)},\n95 % interval over seeds")
    axis.set_title(short_title(setting))
    return figure


def _looks(results: Results, analysis: Analysis, setting: Scope) -> dict[str, Look]:
    """Return the colours of the curves: grey for recipes that are not highlighted."""
    shown = highlighted(analysis, setting)
    table = palette(results)
    return {recipe: look if recipe in shown else Look(QUIET) for recipe, look in table.items()}


def _seeds(areas: pd.DataFrame) -> list[str]:
    """Return the number of seeds of each recipe in brackets; nothing if it is the same for all."""
    return [] if areas["seeds"].nunique() == 1 else [f" ({seeds})" for seeds in areas["seeds"]]


AREAS = Drawing(
    "Area under the budget curve",
    "One number per recipe over all budgets, best on top. Bars are 95 % intervals over seeds and test patients; the "
    "grey band is that of the recipe which the others are compared with, random by default. The patients are the same "
    "for all recipes, so bars that overlap may hide a difference: see the table of differences. With fewer than "
    f"{FEW_SEEDS} seeds, small points are single runs instead. A number in brackets is the number of seeds.",
    _areas,
)
IMPROVEMENT = Drawing(
    "Probability of beating random",
    "Share of all pairs of a run of the recipe and a run of random, or of the recipe that the primary comparison "
    "names, in which the recipe has the higher AUBC: how often it is better, not by how much. Exploratory: if the bar "
    "includes .5, these runs do not show whether the recipe is better at all.",
    _improvement,
)
