"""The recipe that all others of a setting are compared with, and their differences from it."""

from __future__ import annotations

import pandas as pd

from alseg_core.metrics.curve import AUBC
from alseg_core.vocabulary import BASELINE
from bench.report.analysis import Analysis
from bench.report.setting import Scope, rows_of
from bench.report.statistics.budget_summary import AREA_ROUND


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
