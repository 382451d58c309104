"""The table for files: every metric of every recipe and budget."""

from __future__ import annotations

import typing
from typing import Any

import pandas as pd

from alseg_core.metrics.by_slice import GROUPS
from alseg_core.metrics.curve import AUBC_DICE, aubc
from bench.report.runs.columns import EMPTY_OF
from bench.report.runs.results import Results
from bench.report.setting import SETTING

FURTHER = ("cover_radius", "empty_predictions", "empty_truths", EMPTY_OF)
"""Rows of the table that are no metric of a structure."""
PREFIXES = ("dice_", *(f"{group}_" for group in GROUPS))
"""First letters of scores of a class, and of scores of a group of slices."""
COLUMNS = [*SETTING, "recipe", "budget", "labelled", "cost", "minutes", "metric", "mean", "sd", "seeds"]
LEGEND = (
    "Metrics are averaged over the classes of each test volume, then over volumes; sd is over seeds. "
    "empty_predictions: structures (volume x class) present in the ground truth but absent from the prediction; "
    "empty_truths: predicted structures that are not in the ground truth; empty_of: all structures of the test "
    "volumes, which both are counted among. Both score Dice 0 and NSD 0 and are left out of HD95 and ASSD; structures "
    "that are empty in both are left out of all means."
)


def _spread(values: pd.Series) -> dict[str, float]:
    return {"mean": float(values.mean()), "sd": float(values.std(ddof=1)), "seeds": int(values.count())}


def comparison(results: Results) -> pd.DataFrame:
    """Return a row per setting, recipe, budget and metric, columns :data:`COLUMNS`.

    Metrics are those of the runs, :data:`FURTHER`, the Dice of each class and the scores of groups of slices. sd: over
    seeds, ddof 1, NaN for one seed. cost: full-slice equivalents bought so far, mean over seeds; minutes: what
    annotating them took, NaN in older runs. AUBC of Dice is a metric over all budgets, of complete runs only.
    """
    known = sorted(set(results.scores["metric"]))
    names = [*results.metrics, *FURTHER, *(metric for metric in known if metric.startswith(PREFIXES))]
    scores = results.scores[results.scores["metric"].isin(names)]
    rows: list[dict[str, Any]] = []
    for group, part in scores.groupby([*SETTING, "recipe", "round", "metric"], sort=False):
        where = dict(zip([*SETTING, "recipe", "round", "metric"], typing.cast(tuple[Any, ...], group), strict=True))
        number = where.pop("round")
        rows.append(
            where
            | {"budget": part["budget"].iloc[0], "labelled": round(part["labelled"].mean())}
            | {
                "cost": part["cost"].mean(),
                "minutes": part["minutes"].mean(),
                "_round": number,
                **_spread(part["value"]),
            }
        )
    dice = scores[scores["metric"] == "dice"].sort_values("round")
    for setting, part in dice.groupby(SETTING, sort=False):
        rounds = part["round"].nunique()
        for recipe, runs in part.groupby("recipe", sort=False):
            whole = [run for _, run in runs.groupby("key", sort=False) if len(run) == rounds]
            areas = pd.Series([aubc(run["labelled"], run["value"]) for run in whole], dtype=float).dropna()
            if len(areas):
                last = whole[0]
                span = f"{last['budget'].iloc[0]} to {last['budget'].iloc[-1]}"
                rows.append(
                    dict(zip(SETTING, setting, strict=True))
                    | {"recipe": recipe, "budget": span, "labelled": int(last["labelled"].iloc[-1])}
                    | {
                        "cost": float(last["cost"].iloc[-1]),
                        "minutes": float(last["minutes"].iloc[-1]),
                        "metric": AUBC_DICE,
                        "_round": rounds,
                        **_spread(areas),
                    }
                )
    table = pd.DataFrame(rows, columns=[*COLUMNS, "_round"])
    rank = {name: i for i, name in enumerate([*names, AUBC_DICE])}
    order = {recipe: i for i, recipe in enumerate(results.recipes)}
    table["_metric"], table["_recipe"] = table["metric"].map(rank), table["recipe"].map(order)
    return table.sort_values([*SETTING, "_metric", "_round", "_recipe"], ignore_index=True)[COLUMNS]
