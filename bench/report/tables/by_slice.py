"""The table of slices: how good networks are where somebody annotated, beside that, and in new volumes."""

from __future__ import annotations

import math

from alseg_core.metrics.by_slice import GROUPS
from alseg_core.metrics.metric import DICE, HD95
from bench.report.runs.results import Results
from bench.report.setting import Setting, rows_of
from bench.report.tables.sheet import Entry, Line, Sheet, number

HEADINGS = {"annotated": "annotated slices", "unannotated": "others of their volumes", "new": "new volumes"}
"""Group of slices -> heading."""


def by_slice(results: Results, setting: Setting) -> Sheet:
    """Return Dice and HD95 of each group of slices at every budget, means over volumes and seeds; no rows without."""
    scores = rows_of(results.scores, setting)
    columns = [(group, metric) for metric in (DICE, HD95) for group in GROUPS]
    names = [f"{group}_{metric.name}" for group, metric in columns]
    own = scores[scores["metric"].isin(names)]
    means = own.groupby(["recipe", "round", "budget", "metric"], sort=False)["value"].mean().to_dict()
    lines = [
        Line(
            [
                Entry(recipe),
                Entry(str(budget)),
                *(
                    number(means.get((recipe, round_, budget, name), math.nan), f".{metric.decimals}f")
                    for name, (_, metric) in zip(names, columns, strict=True)
                ),
            ],
            (recipe,),
            str(budget),
        )
        for recipe, round_, budget in dict.fromkeys(zip(own["recipe"], own["round"], own["budget"], strict=True))
    ]
    return Sheet(
        "Where it was annotated, and where not",
        "Scores of single slices, means over classes, volumes and seeds: of the slices of the pool that the network "
        "was trained on, of the other slices of the same volumes, and of volumes that nobody annotated for training. "
        "Dice is that of all such slices of a volume together; HD95 is measured in the plane, slice by slice, where "
        "prediction and truth both hold the structure, and so is lower than HD95 of volumes. The masks of the pool "
        "were read for this table after training, and nothing was chosen by it.",
        ["recipe", "budget", *(f"{metric.heading}, {HEADINGS[group]}" for group, metric in columns)],
        lines,
    )
