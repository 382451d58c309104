"""Time per part of a round, and cost of the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import name_rows, rows_height
from bench.report.figures.style import DPI, QUIET, WIDTH
from bench.report.runs.results import Results
from bench.report.setting import Scope, rows_of, short_title

if TYPE_CHECKING:
    from bench.report.analysis import Analysis

PARTS = {"train": "#56B4E9", "evaluate": "#cfcfcf", "embed": "#E69F00", "select": "#D55E00", "other": "#767676"}
"""Part of a round -> colour, in the order of the bars."""


def per_round(seconds: pd.DataFrame) -> pd.DataFrame:
    """Return mean seconds per round, recipes x :data:`PARTS`, fastest first; unknown parts count as "other"."""
    parts = seconds["part"].where(seconds["part"].isin(list(PARTS)), "other")
    rounds = seconds.groupby("recipe", sort=False)[["key", "round"]].apply(lambda rows: len(rows.drop_duplicates()))
    total = seconds.assign(part=parts).pivot_table(index="recipe", columns="part", values="seconds", aggfunc="sum")
    table = total.reindex(columns=list(PARTS)).fillna(0.0).div(rounds, axis=0)
    return table.loc[table.sum(axis=1).sort_values(kind="stable").index]


def draw(results: Results, analysis: Analysis, setting: Scope) -> Figure | str:
    """Draw stacked bars of seconds, beside the annotation cost at the last budget."""
    seconds = rows_of(results.seconds, setting)
    if seconds.empty:
        return "no finished round"
    table = per_round(seconds)
    cells = rows_of(analysis.cells, setting).sort_values("round").groupby("recipe").last()
    share = (100 * cells["cost"] * cells["fraction"] / cells["labelled"]).reindex(table.index)
    figure = Figure(figsize=(WIDTH, rows_height(len(table)) + 0.6), dpi=DPI, layout="constrained")
    differ = share.max() - share.min() > 0.01 * share.max()
    left, *rest = figure.subplots(1, 2 if differ else 1, squeeze=False, sharey=True, width_ratios=[3, 1][: 1 + differ])[
        0
    ]
    most = table.sum(axis=1).max()
    y, start = np.arange(len(table)), np.zeros(len(table))
    for part, colour in PARTS.items():
        width = table[part].to_numpy()
        if width.max() > 0.003 * most:  # else it could not be seen
            left.barh(y, width, left=start, height=0.72, color=colour, label=part)
            start = start + width
    for i, total in enumerate(start):
        left.text(total, i, f" {total:.3g}", va="center", fontsize=9)
    left.set_xlim(0, start.max() * 1.14)
    name_rows(left, list(table.index))
    same = "" if differ else f"\n(labels: {share.max():.2g} % of full annotation, for every recipe)"
    left.set_xlabel(f"mean seconds per round{same}")
    left.set_title(short_title(setting))
    figure.legend(loc="outside lower left", ncols=5, handlelength=1, columnspacing=1.2)
    for right in rest:
        right.barh(y, share.to_numpy(), height=0.72, color=QUIET)
        right.grid(axis="x")
        right.tick_params(axis="y", length=0)
        right.spines["left"].set_visible(False)
        right.set_xlabel("labels, % of\nfull annotation")
    return figure


SECONDS = Drawing(
    "Time and annotation cost",
    "Mean wall time of each part of a round, in seconds, fastest recipe on top, slowed by whatever else ran on the "
    "machine. An embedding already in the store only has to be read, and a shared training counts with the time it "
    "took. The cost of the labels at the last budget is on the right, or below if it is the same for all recipes.",
    draw,
)
