"""The table of slices: how good networks are where somebody annotated, beside that, and in new volumes."""

from __future__ import annotations

import dataclasses
import math

from alseg_core.metrics.by_slice import GROUPS
from alseg_core.metrics.metric import DICE, HD95, NSD
from bench.report.runs.results import Results
from bench.report.setting import Setting, rows_of
from bench.report.tables.sheet import Entry, Line, Sheet, number

HEADINGS = {"annotated": "annotated slices", "unannotated": "others of their volumes", "new": "new volumes"}
"""Group of slices -> heading."""


def by_slice(results: Results, setting: Setting) -> Sheet:
    """Return Dice, NSD and HD95 of each group of slices at every budget; no rows where runs have none."""
    scores = rows_of(results.scores, setting)
    columns = [(group, metric) for metric in (DICE, NSD, HD95) for group in GROUPS]
    names = [f"{group}_{metric.name}" for group, metric in columns]
    own = scores[scores["metric"].isin(names)]
    cells = own.groupby(["recipe", "round", "budget", "metric"], sort=False)["value"]
    means, spreads = cells.mean().to_dict(), cells.std().to_dict()
    lines = [
        Line(
            [
                Entry(recipe),
                Entry(str(budget)),
                *(
                    _cell(means.get(key, math.nan), spreads.get(key, math.nan), f".{metric.decimals}f")
                    for name, (_, metric) in zip(names, columns, strict=True)
                    for key in [(recipe, round_, budget, name)]
                ),
            ],
            (recipe,),
            str(budget),
        )
        for recipe, round_, budget in dict.fromkeys(zip(own["recipe"], own["round"], own["budget"], strict=True))
    ]
    return Sheet(
        "Where it was annotated, and where not",
        "Scores of single slices, means over classes and volumes, mean ± sd over seeds: of the slices of the pool that "
        "the network was trained on, of the other slices of the same volumes, and of volumes that nobody annotated for "
        "training. A strategy chose the annotated slices, so that they may show more, or less, than the others. Dice "
        "is that of all such slices of a volume together. NSD and HD95 are measured in the plane, slice by slice: NSD "
        "is 0 where only prediction or only truth holds the structure, HD95 leaves such slices out, and so is lower "
        "than HD95 of volumes. Masks of the pool were read for this table after training; nothing was chosen by it.",
        ["recipe", "budget", *(f"{metric.heading}, {HEADINGS[group]}" for group, metric in columns)],
        lines,
    )


def _cell(mean: float, spread: float, how: str) -> Entry:
    """Return the cell of a mean and, for several seeds, its standard deviation."""
    cell = number(mean, how)
    return cell if math.isnan(spread) else dataclasses.replace(cell, text=f"{cell.text} ± {spread:{how}}")
