"""Mean time of each part of a round."""

from __future__ import annotations

import pandas as pd

from bench.report.runs.results import Results
from bench.report.setting import SETTING

PARTS = ("embed", "select", "annotate", "train", "evaluate", "cover", "appraise")
NOTE = (
    "Mean wall time of each part of a round, in seconds, slowed by whatever else ran on the machine. An embedding "
    "already in the store only has to be read; a first round shared with other recipes counts with the time its "
    "training took."
)


def timing(results: Results) -> pd.DataFrame:
    """Return mean seconds per part, one row per setting and recipe; columns SETTING, recipe, <part>..., rounds."""
    seconds = results.seconds
    if not len(seconds):
        return pd.DataFrame(columns=[*SETTING, "recipe", "rounds"])
    rows = seconds.pivot_table("seconds", [*SETTING, "recipe"], "part", aggfunc="mean", sort=False)
    rows = rows[[part for part in PARTS if part in rows] + [part for part in rows if part not in PARTS]]
    rows["rounds"] = seconds.groupby([*SETTING, "recipe"], sort=False)[["key", "round"]].apply(
        lambda part: len(part.drop_duplicates())
    )
    table = rows.reset_index().rename_axis(columns=None)
    order = {recipe: i for i, recipe in enumerate(results.recipes)}
    return table.sort_values([*SETTING, "recipe"], key=lambda c: c.map(order) if c.name == "recipe" else c)
