"""What the differences of a setting mean, in sentences computed from its tests."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from alseg_core.metrics.curve import AUBC
from alseg_core.vocabulary import BASELINE
from bench.report.analysis import CLAIM, Analysis
from bench.report.runs.provenance import FEW_SEEDS
from bench.report.setting import Setting, enumerated, references, rows_of
from bench.report.statistics.budget_summary import AREA_ROUND
from bench.report.statistics.paired import ALPHA
from bench.report.tables.main_table import each

MOST_NAMES = 8
"""Longest list of recipes in a sentence."""


def verdict(analysis: Analysis, setting: Setting) -> str:
    """Return one sentence on how large a difference must be to be detected with these seeds."""
    seeds = rows_of(analysis.cells, setting)["seeds"]
    if seeds.max() < 2:
        return (
            "With one seed, differences between recipes cannot be tested, and the order in this table is not a "
            f"finding. Run at least {FEW_SEEDS} seeds, or 5 to study small differences."
        )
    power, axis = _power(analysis, setting)
    if not len(power):
        if BASELINE in set(rows_of(analysis.cells, setting)["recipe"]):
            return f"This study has no recipe to compare with {BASELINE!r}."
        return (
            f"{BASELINE!r} is not in this study, so differences from it are not tested; tests.csv has all other pairs."
        )
    found = power["detectable"][np.isfinite(power["detectable"])]
    if not len(found):
        return f"No recipe has two seeds in common with {BASELINE}, so differences from it cannot be tested."
    tests = power["tests"].max()
    corrected = power["detectable_holm"].dropna()
    after = f", and {_middle(corrected)} after correction for the {tests:.0f} comparisons" if tests > 1 else ""
    return (
        f"With {_span(power['seeds'])} seeds, the smallest true difference from {BASELINE} in {axis} that would be "
        f"detected four times out of five is about {_middle(found)} for a single test{after}; smaller true differences "
        "are likely to be missed."
    )


def meaning(analysis: Analysis, setting: Setting) -> list[str]:
    """Return the verdict, the recipes that differ from random, and how many seeds a claim would need."""
    lines = [verdict(analysis, setting)]
    power, axis = _power(analysis, setting)
    if not len(power) or power["seeds"].max() < 2:
        return lines
    better, worse, plain, tested = _against(analysis, setting, int(power["round"].iloc[0]))
    if tested:
        found = [
            f"{what}: {enumerated(names, MOST_NAMES)}"
            for what, names in (("Better", better), ("Worse", worse))
            if names
        ]
        verb = "differs" if tested == 1 else "differ"
        lines.append(
            f"{len(better) + len(worse)} of {_recipes(tested)} {verb} significantly from {BASELINE} in {axis} (paired "
            f"t-test over seeds at level {ALPHA:g}, Holm correction over all pairs). Without the correction {plain} "
            "would, "
            f"with about {ALPHA * tested:.1g} expected by chance." + (f" {'; '.join(found)}." if found else "")
        )
    needed = power["seeds_needed_02"].dropna()
    if len(needed):
        tests = power["tests"].max()
        many = f", {_seeds(power['seeds_needed_02_holm'])} after the correction" if tests > 1 else ""
        lines.append(
            f"To detect a difference of {CLAIM:g} Dice from {BASELINE}, {_seeds(needed)} seeds would be needed for a "
            f"single test{many} (median over recipes). The spread is estimated from {_span(power['seeds'])} seeds, so "
            "these numbers may be off by a factor of several."
        )
    return lines


def _power(analysis: Analysis, setting: Setting) -> tuple[pd.DataFrame, str]:
    """Return the rows of power on AUBC, or on the last budget if there is only one, and the name of that score."""
    own = rows_of(analysis.power, setting)
    own = own[~references(own["recipe"])]
    area = own[own["round"] == AREA_ROUND]
    if len(area) and area["difference"].notna().any():
        return area, AUBC
    last = own[own["round"] == own["round"].max()]
    return last, f"Dice at {last['budget'].iloc[0]}" if len(last) else ""


def _against(analysis: Analysis, setting: Setting, number: int) -> tuple[list[str], list[str], int, int]:
    """Return who is better and worse than random in a round, and how many differ without correction, of how many."""
    tests = rows_of(analysis.tests, setting)
    tests = tests[(tests["round"] == number) & tests["p_holm"].notna()]
    better: list[tuple[float, str]] = []
    worse: list[tuple[float, str]] = []
    count = plain = 0
    for row in each(tests):
        if BASELINE in (row.a, row.b):
            count += 1
            plain += row.p < ALPHA
            other, ahead = (row.b, -row.difference) if row.a == BASELINE else (row.a, row.difference)
            if row.p_holm < ALPHA:
                (better if ahead > 0 else worse).append((ahead, f"{other} ({ahead:+.3f})"))
    return [name for _, name in sorted(better, reverse=True)], [name for _, name in sorted(worse)], plain, count


def _recipes(count: int) -> str:
    return f"{count} recipe{'' if count == 1 else 's'}"


def _middle(found: pd.Series) -> str:
    low, high = _dice(found.min()), _dice(found.max())
    span = f" (median over {_recipes(len(found))}; {low} to {high})" if low != high else ""
    return f"{_dice(found.median())} Dice{span}"


def _seeds(needed: pd.Series) -> str:
    middle = float(needed.median())
    return f"about {middle:.0f}" if math.isfinite(middle) else "more than 1,000"


def _dice(difference: float) -> str:
    """Return a difference in Dice as text; more than 1 is impossible, whatever the spread of two seeds suggests."""
    return f"{difference:.3f}" if difference <= 1 else "more than 1"


def _span(seeds: pd.Series) -> str:
    low, high = int(seeds.min()), int(seeds.max())
    return str(low) if low == high else f"{low} to {high}"
