"""Predictions on the hardest test cases (as Vepa et al., NeurIPS 2024, Fig. 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from bench.report.figures import mosaic
from bench.report.figures.drawing import Drawing
from bench.report.figures.highlight import highlighted
from bench.report.figures.letters import broken
from bench.report.figures.runfiles import Arrays, arrays, classes, first_runs
from bench.report.figures.style import FULL
from bench.report.runs.results import Results
from bench.report.setting import Scope, rows_of

if TYPE_CHECKING:
    from bench.report.analysis import Analysis

CASES = 4
RECIPES = 8
COLUMN, ROW = 11, 14
"""Most letters in a line above a column, and beside a row."""
MARGIN = 0.15
"""Margin around a structure, as a share of its size."""


def hardest(results: Results, setting: Scope, among: set[str]) -> list[str]:
    """Return the cases with the lowest Dice at the last budget, mean over seeds, then recipes; hardest first."""
    volumes = rows_of(results.volume_dice, setting)
    last = volumes[(volumes["round"] == volumes["round"].max()) & volumes["case"].isin(among)]
    by_recipe = last.groupby(["case", "recipe"])["dice"].mean()
    return [str(case) for case in by_recipe.groupby("case").mean().sort_values(kind="stable").index[:CASES]]


def draw(results: Results, analysis: Analysis, setting: Scope) -> Figure | str:
    """Draw rows of cases; in columns image, truth and predictions of the recipes of the first seed, best first."""
    found = arrays(results, setting, "examples", ("image", "truth", "prediction", "case", "z"))
    if not found:
        return "no finished run has an examples.npz of this version"
    names = [name for name in highlighted(analysis, setting, RECIPES, RECIPES - 2) if name in found]
    among = set.intersection(*({str(case) for case in found[name]["case"]} for name in names)) if names else set()
    cases = hardest(results, setting, among)
    if not cases:
        return "the runs have no test case in common"
    volumes = rows_of(results.volume_dice, setting)
    volumes = volumes[volumes["key"].isin(first_runs(results, setting).values())]
    last = volumes[volumes["round"] == volumes["round"].max()].set_index(["recipe", "case"])["dice"]
    tiles = []
    for case in cases:
        shots = {name: _of_case(found[name], case) for name in names}
        image, truth = shots[names[0]]["image"], shots[names[0]]["truth"]
        window = crop([truth, *(shot["prediction"] for shot in shots.values())])
        row = [mosaic.Tile(mosaic.painted(image, truth * 0, 0)[window])]
        row.append(mosaic.Tile(mosaic.outlined(mosaic.painted(image, truth, 0.6)[window], truth[window])))
        for name in names:
            tinted = mosaic.painted(image, shots[name]["prediction"], 0.6)[window]
            dice = last.get((name, case), np.nan)
            row.append(mosaic.Tile(mosaic.outlined(tinted, truth[window]), "" if np.isnan(dice) else f"{dice:.2f}"))
        tiles.append(row)
    z = {case: int(_of_case(found[names[0]], case)["z"]) for case in cases}
    most = max(int(found[name]["truth"].max()) for name in names)
    legend = classes(results, setting) or [f"class {i}" for i in range(1, most + 1)]
    columns = ["image", "truth", *(broken(name, COLUMN, 3) for name in names)]
    return mosaic.draw(tiles, [f"{broken(case, ROW)}\nz {z[case]}" for case in cases], columns, FULL, legend, side=1.15)


def _of_case(content: Arrays, case: str) -> Arrays:
    at = [str(name) for name in content["case"]].index(case)
    return {name: values[at] for name, values in content.items()}


def crop(labels: list[np.ndarray]) -> tuple[slice, slice]:
    """Return the square window around the foreground of all ``labels`` (h, w); the whole slice if there is none."""
    there = np.any([label > 0 for label in labels], axis=0)
    height, width = there.shape
    if not there.any():
        return slice(0, height), slice(0, width)
    y, x = np.nonzero(there)
    extent = max(int(np.ptp(y)), int(np.ptp(x))) + 1
    size = min(max(int(extent * (1 + 2 * MARGIN)), 24), height, width)
    low = [
        int(np.clip((values.min() + values.max() + 1 - size) // 2, 0, length - size))
        for values, length in ((y, height), (x, width))
    ]
    return slice(low[0], low[0] + size), slice(low[1], low[1] + size)


OVERLAYS = Drawing(
    "Predictions on the hardest cases",
    "The scored volumes with the lowest mean Dice over all recipes at the last budget, one slice each, cropped to the "
    "structures. Colour: prediction of the first seed; white outline: ground truth; number: Dice of the whole volume. "
    "These are the worst cases, not typical ones.",
    draw,
    vector=False,
    scans=True,
)
