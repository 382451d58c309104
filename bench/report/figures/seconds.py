"""Time of choosing slices, and cost of their labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import name_rows, rows_height
from bench.report.figures.style import DPI, QUIET, WIDTH
from bench.report.figures.vector import belong
from bench.report.runs.columns import CHOICE
from bench.report.runs.results import Results
from bench.report.setting import Scope, rows_of, short_title

if TYPE_CHECKING:
    from bench.report.analysis import Analysis

PARTS = dict(zip(CHOICE, ("#E69F00", "#D55E00"), strict=True))
"""Part of a round that chooses slices -> colour, in the order of the bars."""


def per_round(seconds: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Return the mean of column ``unit`` per round, recipes x :data:`PARTS`, the cheapest first."""
    rounds = seconds.groupby("recipe", sort=False)[["key", "round"]].apply(lambda rows: len(rows.drop_duplicates()))
    own = seconds[seconds["part"].isin(list(PARTS))]
    total = own.pivot_table(index="recipe", columns="part", values=unit, aggfunc="sum")
    table = total.reindex(index=rounds.index, columns=list(PARTS)).fillna(0.0).div(rounds, axis=0)
    return table.loc[table.sum(axis=1).sort_values(kind="stable").index]


def draw(results: Results, analysis: Analysis, setting: Scope) -> Figure | str:
    """Draw stacked bars of the time of choosing slices, beside the annotation cost at the last budget."""
    seconds = rows_of(results.seconds, setting)
    if seconds.empty:
        return "no finished round"
    known = seconds[seconds["part"].isin(list(PARTS))]["cpu_seconds"].notna().all()
    table = per_round(seconds, "cpu_seconds" if known else "seconds")
    if not table.to_numpy().any():
        return "choosing slices took no time that could be measured"
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
            bars = left.barh(y, width, left=start, height=0.72, color=colour, label=part)
            _belong(table.index, bars)
            start = start + width
    totals = [left.text(total, i, f" {total:.3g}", va="center", fontsize=9) for i, total in enumerate(start)]
    _belong(table.index, totals)
    left.set_xlim(0, most * 1.14)
    name_rows(left, list(table.index))
    same = "" if differ else f"\n(labels: {share.max():.2g} % of full annotation, for every recipe)"
    left.set_xlabel(f"{'CPU seconds' if known else 'seconds, waiting included,'} per round{same}")
    left.set_title(short_title(setting))
    if left.containers:
        figure.legend(loc="outside lower left", ncols=5, handlelength=1, columnspacing=1.2)
    for right in rest:
        _belong(table.index, right.barh(y, share.to_numpy(), height=0.72, color=QUIET))
        right.grid(axis="x")
        right.tick_params(axis="y", length=0)
        right.spines["left"].set_visible(False)
        right.set_xlabel("labels, % of\nfull annotation")
    return figure


def _belong(recipes: Iterable[str], artists: Iterable[Artist]) -> None:
    for recipe, artist in zip(recipes, artists, strict=True):
        belong(recipe, artist)


SECONDS = Drawing(
    "Time of choosing and annotation cost",
    "What choosing the slices of a round costs: mean CPU seconds of its embedding and its selection, all threads "
    "together, without waiting and without a GPU's own time; the cheapest recipe on top. An embedding from the store "
    "counts with what making it took, once per run. Where older runs do not have CPU times, bars are wall time. The "
    "cost of the labels at the last budget is on the right, or below if it is the same for all recipes.",
    draw,
)
