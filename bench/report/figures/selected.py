"""The first slices that each recipe picked, with the labels requested for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from bench.report.compared import ranking
from bench.report.figures import mosaic
from bench.report.figures.drawing import Drawing
from bench.report.figures.highlight import highlighted
from bench.report.figures.letters import broken, cut
from bench.report.figures.runfiles import Arrays, arrays, classes
from bench.report.figures.style import FULL
from bench.report.runs.results import Results
from bench.report.setting import Scope

if TYPE_CHECKING:
    from bench.report.analysis import Analysis

WANTED = ("image", "label", "case", "z")
SHOWN = 8
"""Slices shown per recipe."""
LETTERS, CASE = 22, 14
"""Most letters in a line beside a row, and above a picture."""
ROWS = 12
"""Most rows; if there are more recipes, only those highlighted in the curves are shown."""


def same_picks(found: dict[str, Arrays], order: list[str]) -> list[tuple[list[str], Arrays]]:
    """Group recipes that picked the same slices, such as those that start from the same random ones."""
    groups: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for recipe in order:
        if recipe in found:
            picks = zip(found[recipe]["case"].tolist(), found[recipe]["z"].tolist(), strict=True)
            groups.setdefault(tuple((str(case), int(z)) for case, z in picks), []).append(recipe)
    return [(names, found[names[0]]) for names in groups.values()]


def draw(results: Results, analysis: Analysis, setting: Scope) -> Figure | str:
    """Draw rows of recipes, best first; in columns the first picks of the first round of the first seed."""
    found = arrays(results, setting, "selected", WANTED)
    if not found:
        return "no run has a selected.npz; runs of this version do"
    rows = same_picks(found, ranking(analysis, setting))
    if len(rows) > ROWS:
        kept = set(highlighted(analysis, setting, ROWS, ROWS - 2))
        rows = [row for row in rows if kept & set(row[0])][:ROWS]
    tiles = []
    for _, content in rows:
        first = (content[name][:SHOWN] for name in WANTED)
        tiles.append(
            [
                mosaic.Tile(mosaic.painted(image, label, 0.85), f"{cut(str(case), CASE)}\nz {z}")
                for image, label, case, z in zip(*first, strict=True)
            ]
        )
    names = [_names(recipes) for recipes, _ in rows]
    return mosaic.draw(tiles, names, [], FULL, _legend(found, classes(results, setting)), side=1.7)


def _names(recipes: list[str], most: int = 4) -> str:
    shown = recipes if len(recipes) <= most else [*recipes[: most - 1], f"and {len(recipes) - most + 1} more"]
    return "\n".join(broken(name, LETTERS) for name in shown)


def _legend(found: dict[str, Arrays], names: list[str]) -> list[str]:
    """Return the names of the classes for the legend, numbered if they are not known."""
    labels = np.unique(np.concatenate([content["label"].ravel() for content in found.values()]))
    most = max([int(label) for label in labels if label != 255], default=0)
    return names or [f"class {label}" for label in range(1, most + 1)]


SELECTED = Drawing(
    "Slices picked first",
    "The first picks of the first round of the first seed, in order, with the labels requested for them (foreground in "
    "colour; case and z above). If there are many recipes, only those highlighted in the curves are shown. Recipes "
    "that picked the same slices share a row; slices without colour contain background only.",
    draw,
    vector=False,
    scans=True,
)
