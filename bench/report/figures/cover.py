"""Cover radius against Dice, the subject of Theorem 1 of Vepa et al. (NeurIPS 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from bench.report.figures.drawing import Drawing, scored
from bench.report.figures.runfiles import identity
from bench.report.figures.style import blank, colours
from bench.report.runs.results import Results
from bench.report.setting import Scope, rows_of, short_title

if TYPE_CHECKING:
    from bench.report.analysis import Analysis

FEWEST = 4
"""Fewest points for a rank correlation."""


def rounds(results: Results, setting: Scope) -> pd.DataFrame:
    """Return one row per run and round: round, budget, labelled, recipe, dice, cover_radius."""
    scores = rows_of(results.scores, setting)
    scores = scores[scores["metric"].isin(["dice", "cover_radius"])]
    by = ["key", "recipe", "round", "budget", "labelled"]
    table = scores.pivot_table(index=by, columns="metric", values="value", sort=False).reset_index()
    return table.reindex(columns=[*by, "dice", "cover_radius"]).dropna().sort_values("round", kind="stable")


def correlation(part: pd.DataFrame) -> float:
    """Return Spearman's rank correlation of cover radius and Dice; NaN for fewer than FEWEST points or equal ones."""
    if len(part) < FEWEST or part["dice"].nunique() < 2 or part["cover_radius"].nunique() < 2:
        return float("nan")
    return float(stats.spearmanr(part["cover_radius"], part["dice"]).statistic)


def embedding(results: Results, setting: Scope) -> str:
    """Return the embedding in which the radii of a setting are measured, in words."""
    run = identity(results, setting)
    return "the study's reference embedding" + (f", {run.cover}" if run is not None and run.cover else "")


def draw(results: Results, _analysis: Analysis, setting: Scope) -> Figure | str:
    """Draw one point per recipe, seed and budget, coloured by budget."""
    table = rounds(results, setting)
    if table.empty:
        return "no finished round with a cover radius"
    figure, axis = blank(4.4)
    size = float(np.clip(6000 / len(table), 8, 26))
    budgets = list(table.groupby("round"))
    for colour, (_, part) in zip(colours(len(budgets)), budgets, strict=True):
        rho = correlation(part)
        legend = "" if np.isnan(rho) else f"  ρ = {rho:+.2f}".replace("-", "\N{MINUS SIGN}")
        axis.scatter(
            part["cover_radius"],
            part["dice"],
            s=size,
            color=[colour],
            alpha=0.75,
            linewidths=0,
            label=f"{part['labelled'].median():.0f}{legend}",
        )
    axis.set_xlabel(f"cover radius in {embedding(results, setting)}\n(smaller is better)")
    axis.set_ylabel(scored(results, setting))
    axis.set_title(short_title(setting))
    axis.grid()
    figure.legend(loc="outside right center", title="labelled slices", handletextpad=0.1)
    return figure


COVER = Drawing(
    "Cover radius against Dice",
    "Each point is one run at one budget; ρ is Spearman's rank correlation within a budget, because both axes change "
    "with the budget anyway. The radius of every recipe is measured in the embedding named on the axis, whatever "
    "embedding the recipe itself selects in; coreset in that embedding (pixels by default) minimises it directly. "
    "Points of one budget differ by recipe and seed, so ρ compares recipes. The constant of Theorem 1 makes its "
    "bound vacuous: the theorem only suggests that a small radius helps, which a clearly negative ρ would support.",
    draw,
)
