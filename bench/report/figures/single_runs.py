"""Scores of single runs: what a figure shows where there are too few seeds for an interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from numpy.typing import ArrayLike

from alseg_core.metrics.curve import aubc
from bench.report.figures.looks import Look
from bench.report.runs.results import Results
from bench.report.setting import Scope, rows_of
from bench.report.statistics.paired import FEW_SEEDS


def shown_intervals(rows: pd.DataFrame) -> pd.DataFrame:
    """Return cells or areas without the intervals of fewer than FEW_SEEDS seeds."""
    low, high = (rows[name].where(rows["seeds"] >= FEW_SEEDS) for name in ("low", "high"))
    return rows.assign(low=low, high=high)


def few(rows: pd.DataFrame) -> bool:
    """Return whether a recipe has too few seeds for intervals."""
    return bool(rows["seeds"].max() < FEW_SEEDS)


def dice(results: Results, setting: Scope) -> pd.DataFrame:
    """Return the Dice of runs: recipe, key, round, labelled, value."""
    scores = rows_of(results.scores, setting)
    rows: pd.DataFrame = scores.loc[scores["metric"] == "dice", ["recipe", "key", "round", "labelled", "value"]]
    return rows


def areas(results: Results, setting: Scope) -> dict[str, list[float]]:
    """Return recipe -> AUBC over slices of its complete runs."""
    rows = dice(results, setting)
    rounds = rows["round"].nunique()
    found: dict[str, list[float]] = {}
    for (recipe, _), run in rows.sort_values("round").groupby(["recipe", "key"], sort=False):
        if len(run) == rounds:
            found.setdefault(str(recipe), []).append(aubc(run["labelled"], run["value"]))
    return found


def points(axis: Axes, x: ArrayLike, y: Sequence[float] | pd.Series, look: Look) -> PathCollection:
    """Plot runs as small points; return them."""
    across = np.broadcast_to(np.asarray(x, dtype=float), np.shape(y))
    return axis.scatter(across, y, s=11, color=[look.colour], alpha=0.6, linewidths=0, zorder=2.5)
