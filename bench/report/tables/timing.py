"""Mean time of each part of a round, and CPU time of choosing its slices."""

from __future__ import annotations

import pandas as pd

from bench.report.runs.columns import CHOICE
from bench.report.runs.results import Results
from bench.report.setting import SETTING

PARTS = ("embed", "select", "annotate", "train", "evaluate", "cover", "appraise")
NOTE = (
    "Means per round. CPU seconds are what choosing the slices costs: the computing time of all threads of the run's "
    "process, without waiting and without a GPU's own time. An embedding from the store counts with what making it "
    "took, once per run. The other columns are wall time, slowed by whatever else ran on the machine; a first round "
    "shared with other recipes counts with the time its training took."
)
OLDER = " CPU time is not known for {}, whose runs or encoders are older: theirs is wall time, waiting included."


def timing(results: Results) -> pd.DataFrame:
    """Return mean times of a round, one row per setting and recipe.

    Columns SETTING, recipe, <part>..., rounds: wall time of each part in seconds; then <part>_cpu of :data:`CHOICE`,
    CPU time in seconds, NaN unless all rounds have it.
    """
    seconds = results.seconds
    cpu = [f"{part}_cpu" for part in CHOICE]
    if not len(seconds):
        return pd.DataFrame(columns=[*SETTING, "recipe", "rounds", *cpu])
    rows = seconds.pivot_table("seconds", [*SETTING, "recipe"], "part", aggfunc="mean", sort=False)
    rows = rows[[part for part in PARTS if part in rows] + [part for part in rows if part not in PARTS]]
    by_recipe = seconds.groupby([*SETTING, "recipe"], sort=False)
    rows["rounds"] = by_recipe[["key", "round"]].apply(lambda part: len(part.drop_duplicates()))
    for part, name in zip(CHOICE, cpu, strict=True):
        own = seconds[seconds["part"] == part].groupby([*SETTING, "recipe"], sort=False)["cpu_seconds"]
        rows[name] = own.apply(lambda values: values.mean(skipna=False))
    table = rows.reset_index().rename_axis(columns=None)
    order = {recipe: i for i, recipe in enumerate(results.recipes)}
    return table.sort_values([*SETTING, "recipe"], key=lambda c: c.map(order) if c.name == "recipe" else c)
