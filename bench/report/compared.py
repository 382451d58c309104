"""The recipe that all others of a setting are compared with, and what can be said of their differences from it."""

from __future__ import annotations

import pandas as pd

from alseg_core.metrics.curve import AUBC
from alseg_core.vocabulary import BASELINE, reads_ground_truth
from bench.report.analysis import PLANNED, Analysis
from bench.report.runs.results import Results
from bench.report.setting import Scope, Setting, rows_of
from bench.report.statistics.budget_summary import AREA_ROUND
from bench.report.statistics.paired import FEW_SEEDS


def baseline(analysis: Analysis, setting: Scope) -> str:
    """Return the recipe that the primary comparison of a setting names, or random."""
    own = rows_of(analysis.primary, setting)
    return str(own["against"].iloc[0]) if len(own) else BASELINE


def score(analysis: Analysis, setting: Scope) -> str:
    """Return the score of the planned tests, such as "AUBC" or "Dice at 40 %"; "" without a primary comparison."""
    own = rows_of(analysis.primary, setting)
    if own.empty:
        return ""
    return AUBC if own["round"].iloc[0] == AREA_ROUND else f"Dice at {own['budget'].iloc[0]}"


def differences(analysis: Analysis, setting: Scope, base: str | None = None) -> pd.DataFrame:
    """Return the rows of ``Analysis.tests`` that hold ``base``, by default the baseline, turned to recipe - base.

    The columns a and b are replaced by recipe.
    """
    tests, base = rows_of(analysis.tests, setting), base or baseline(analysis, setting)
    ours = tests[tests["b"] == base]
    theirs = tests[tests["a"] == base]
    turned = theirs.assign(a=theirs["b"], difference=-theirs["difference"], low=-theirs["high"], high=-theirs["low"])
    return pd.concat([ours, turned]).sort_index().drop(columns="b").rename(columns={"a": "recipe"})


def planned(analysis: Analysis, setting: Setting, kind: str = PLANNED) -> pd.DataFrame:
    """Return the planned tests of a setting that could be made, as :func:`differences`, largest first."""
    tests = differences(analysis, setting)
    return tests[(tests["test"] == kind) & tests["p"].notna()].sort_values("difference", ascending=False)


def ranking(analysis: Analysis, setting: Scope) -> list[str]:
    """Return the recipes, best first: by AUBC, then by last Dice; those that read ground truth are last."""
    areas, cells = rows_of(analysis.areas, setting), rows_of(analysis.cells, setting)
    area = areas[areas["axis"] == "slices"].set_index("recipe")["mean"]
    last = cells.sort_values("round", kind="stable").groupby("recipe", sort=False)["mean"].last()
    recipes = pd.DataFrame({"area": area.reindex(last.index), "last": last})
    recipes["truth"] = [reads_ground_truth(str(name)) for name in recipes.index]
    order = recipes.fillna(-1.0).sort_values(["truth", "area", "last"], ascending=[True, False, False], kind="stable")
    return [str(recipe) for recipe in order.index]


def untested(results: Results, analysis: Analysis, setting: Setting) -> dict[str, int]:
    """Return recipe -> seeds in common with the baseline, of those whose planned test could not be made.

    With two seeds or more, all runs are equal to the baseline's. Empty where no test was planned.
    """
    if not score(analysis, setting):
        return {}
    tests = differences(analysis, setting)
    common = tests[tests["test"] == PLANNED].set_index("recipe")["seeds"]
    apart = {baseline(analysis, setting), *controls(results, setting), *planned(analysis, setting)["recipe"]}
    recipes = (str(recipe) for recipe in dict.fromkeys(rows_of(results.runs, setting)["recipe"]))
    asked = (recipe for recipe in recipes if recipe not in apart and not reads_ground_truth(recipe))
    return {recipe: int(common.get(recipe, 0)) for recipe in asked}


def powers(analysis: Analysis, setting: Setting) -> pd.DataFrame:
    """Return the rows of ``Analysis.power`` about the planned tests that are corrected."""
    own = rows_of(analysis.power, setting)
    return own[own["tests"].notna() & own["detectable"].notna()]


def few(analysis: Analysis, setting: Setting) -> bool:
    """Return whether no recipe of a setting has enough seeds to tell anything."""
    return bool(rows_of(analysis.cells, setting)["seeds"].max() < FEW_SEEDS)


def alone(analysis: Analysis, setting: Setting) -> bool:
    """Return whether nothing but the baseline has results."""
    return set(rows_of(analysis.cells, setting)["recipe"]) == {baseline(analysis, setting)}


def controls(results: Results, setting: Setting) -> set[str]:
    """Return the names of the setting's controls, whose place against random is known."""
    return set(results.controls[setting].wanted) if setting in results.controls else set()


def only_controls(results: Results, analysis: Analysis, setting: Setting) -> bool:
    """Return whether the setting has controls, and nothing else beside the baseline."""
    known = controls(results, setting)
    return bool(known) and set(rows_of(results.runs, setting)["recipe"]) <= {baseline(analysis, setting), *known}
