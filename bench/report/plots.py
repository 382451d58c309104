"""Curves of a study."""

from __future__ import annotations

import math
from collections.abc import Hashable
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from bench.report.collect import SETTING, Results

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C6D31", "#555555", "#A50026")
"""Okabe and Ito's palette, which colour-blind readers can tell apart, and further tones for long lists."""
MARKERS = "osD^vP<>Xh"
LINES = ("-", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 1)))
RESAMPLES = 2000


def interval(values: np.ndarray, seed: int = 0) -> float:
    """2 x bootstrap standard error of the mean of ``values`` (n,), resampled over its entries; 0 for fewer than two."""
    if len(values) < 2 or np.ptp(values) == 0:
        return 0.0
    rng = np.random.default_rng(seed)
    result = stats.bootstrap((values,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=rng)
    return 2 * float(result.standard_error)


def points(volumes: pd.DataFrame) -> pd.DataFrame:
    """Dice of one recipe against labelled slices: columns labelled, mean, half (half width of the interval).

    A volume's Dice is first averaged over seeds; the mean and its interval are over test volumes (Vepa et al.).
    """
    rows = []
    for _, part in volumes.groupby("round"):
        per_volume = part.groupby("case")["dice"].mean().to_numpy()
        rows.append({"labelled": part["labelled"].mean(), "mean": per_volume.mean(), "half": interval(per_volume)})
    return pd.DataFrame(rows, columns=["labelled", "mean", "half"])


def curves(results: Results, path: Path) -> None:
    """Dice against labelled slices, one panel a setting, one line a recipe with its interval over test volumes."""
    matplotlib.use("Agg")
    settings = list(results.volumes.groupby(SETTING, sort=False))
    columns = min(3, len(settings))
    rows = math.ceil(len(settings) / max(columns, 1))
    height = max(4.2 * rows, 0.22 * len(results.recipes))  # the legend's, where it is long
    figure = Figure(figsize=(5.6 * columns + 1.6, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (setting, volumes) in zip(axes, settings, strict=False):
        _panel(axis, setting, volumes, results.recipes)
    for axis in axes[len(settings) :]:
        axis.set_visible(False)
    handles = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside right center", frameon=False)
    figure.savefig(path, dpi=150)


def _panel(axis: Axes, setting: Hashable, volumes: pd.DataFrame, recipes: list[str]) -> None:
    assert isinstance(setting, tuple)
    dataset, annotation, schedule = setting
    ticks: set[float] = set()
    shown = [recipe for recipe in recipes if recipe in set(volumes["recipe"])]
    for i, recipe in enumerate(shown):
        again, number = divmod(recipes.index(recipe), len(COLOURS))  # a colour that comes again has other marks
        line = points(volumes[volumes["recipe"] == recipe])
        apart = min(0.006, 0.06 / len(shown)) * line["labelled"].max()
        step = apart * (i - (len(shown) - 1) / 2)  # side by side: bars hide no bars
        axis.errorbar(
            line["labelled"] + step,
            line["mean"],
            yerr=line["half"],
            label=recipe,
            capsize=2,
            elinewidth=1,
            markersize=4,
            marker=MARKERS[(number + again) % len(MARKERS)],
            color=COLOURS[number],
            linestyle="--" if recipe.startswith("oracle_") else LINES[again % len(LINES)],
        )
        ticks |= set(line["labelled"])
    axis.set_xticks(sorted(ticks), [f"{tick:.0f}" for tick in sorted(ticks)])
    axis.set_xlabel("labelled slices")
    axis.set_ylabel("test Dice (mean ± 2 SE over volumes)")
    axis.set_title(f"{dataset}, {annotation}" + ("" if schedule == "default" else f", {schedule}"), fontsize=11)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
