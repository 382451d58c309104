"""What the differences of a setting mean, in sentences computed from its planned tests."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from bench.report.analysis import CLAIM, EXPLORATORY, PLANNED, PLANNED_CONTROL, PLANNED_REFERENCE, Analysis
from bench.report.compared import baseline, differences, score
from bench.report.numbers import NOTHING, between_signed, chance, signed
from bench.report.runs.results import Results
from bench.report.setting import Setting, enumerated, rows_of
from bench.report.statistics.paired import ALPHA, FEW_SEEDS
from bench.report.tables.main_table import each
from bench.study.rerun import advice

MOST_NAMES = 8
"""Longest list of recipes in a sentence."""
ENOUGH_SEEDS = 5
"""Seeds that a report with fewer than three asks for."""


def headline(results: Results, analysis: Analysis, setting: Setting) -> str:
    """Return what the planned tests of a setting found, or why nothing can be said, in one plain sentence."""
    return verdict(results, analysis, setting)


def next_step(results: Results, analysis: Analysis, setting: Setting) -> str:
    """Return what would make the finding firmer, and the command for it; "" if there is nothing to add."""
    return ""


def verdict(results: Results, analysis: Analysis, setting: Setting) -> str:
    """Return one sentence: what the planned tests of a setting found, or why nothing can be said."""
    base, name = baseline(analysis, setting), score(analysis, setting)
    cells = rows_of(analysis.cells, setting)
    if set(cells["recipe"]) == {base}:
        return f"This study has no recipe to compare with {base!r}."
    if few(analysis, setting):
        return _few(results, setting, int(cells["seeds"].max()), f"differs from {base} in {name}" if name else "")
    if not name:
        return (
            f"There is no primary comparison here (by default AUBC against {base!r}; see primary in alseg list fields "
            "study), so all tests are exploratory; tests.csv has them."
        )
    tests = planned(analysis, setting)
    controls = set(results.controls[setting].wanted) if setting in results.controls else set()
    if controls and set(rows_of(results.runs, setting)["recipe"]) <= {base, *controls}:
        return f"All recipes here are controls, whose place against {base} is known: there is nothing else to test."
    if tests.empty:
        return (
            f"The planned tests, {name} against {base}, cannot be made: no recipe has two seeds of complete runs in "
            f"common with {base} that differ."
        )
    return _found(tests, base, name, _detected(analysis, setting, len(tests)), "other recipe" if controls else "recipe")


def few(analysis: Analysis, setting: Setting) -> bool:
    """Return whether no recipe of a setting has enough seeds to tell anything."""
    return bool(rows_of(analysis.cells, setting)["seeds"].max() < FEW_SEEDS)


def planned(analysis: Analysis, setting: Setting, kind: str = PLANNED) -> pd.DataFrame:
    """Return the planned tests of a setting that could be made, as :func:`differences`, largest first."""
    tests = differences(analysis, setting)
    return tests[(tests["test"] == kind) & tests["p"].notna()].sort_values("difference", ascending=False)


def meaning(results: Results, analysis: Analysis, setting: Setting) -> list[str]:
    """Return the verdict, and what the tests of references and controls, the seeds and all other tests are worth."""
    first = verdict(results, analysis, setting)
    if few(analysis, setting):
        return [first]
    return [first, *_apart(analysis, setting), *_claim(analysis, setting), *_exploratory(analysis, setting)]


def _few(results: Results, setting: Setting, seeds: int, what: str) -> str:
    """Return what too few seeds cannot tell, and the command that adds some."""
    count = "one seed" if seeds == 1 else f"{seeds} seeds"
    runs = rows_of(results.runs, setting)
    present = sorted({int(seed) for seed in runs["seed"]})
    wanted = max(ENOUGH_SEEDS, len(present))
    commands = [advice(command, present, wanted) for command in results.commands.get(setting, [])]
    how = " and ".join(commands) or f"running the study again with {wanted} seeds"
    return (
        f"With {count} this study cannot tell whether any recipe {what or 'differs from another'}; {how} adds the "
        "seeds that could show it, and keeps the finished runs."
    )


def _found(tests: pd.DataFrame, base: str, name: str, detected: str, noun: str) -> str:
    """Return who differs from the baseline, and what would have been detected. noun: what was tested."""
    found = tests[tests["p_holm"] < ALPHA]
    seeds = _span(tests["seeds"])
    if found.empty:
        return f"No {noun} differs from {base} in {name} with {seeds} seeds; {detected}."
    sides = [(side, found[np.sign(found["difference"]) == sign]) for side, sign in (("above", 1), ("below", -1))]
    texts = [
        f"{side} {base}: {enumerated([_difference(row, row.p_holm) for row in each(rows)], MOST_NAMES)}"
        for side, rows in sides
        if len(rows)
    ]
    said = f"In {name} with {seeds} seeds, {'; '.join(texts)} (Holm, {_tests(len(tests))})"
    rest = len(tests) - len(found)
    return f"{said}; {'no other recipe differs, and ' if rest else ''}{detected}."


def _difference(row: Any, p: float) -> str:
    """Return a recipe with its difference, interval and p-value, and a warning where these seem to disagree."""
    interval = between_signed(row.low, row.high)
    shown = "" if interval == NOTHING else f" {interval}"
    wider = ", but the interval, which is over test patients too, includes 0" if row.low <= 0 <= row.high else ""
    return f"{row.recipe} {signed(row.difference)}{shown}, p {chance(p)}{wider}"


def _detected(analysis: Analysis, setting: Setting, tests: int) -> str:
    """Return which true differences would have been detected."""
    own = _power(analysis, setting)
    one, family = (float(own[column].median()) for column in ("detectable", "detectable_holm"))
    if math.isinf(one):
        return "seeds differ so much that no true difference would have been detected reliably"
    within = "none" if math.isinf(family) else f"{family:.3f}"
    alone = "" if tests == 1 else f"; {within} within the family of {tests}"
    return f"true differences above {one:.3f} would have been detected four times in five (one test{alone})"


def _apart(analysis: Analysis, setting: Setting) -> Iterator[str]:
    """Yield a sentence each on the planned tests of references and of controls."""
    kinds = {PLANNED_REFERENCE: "References, which read ground truth,", PLANNED_CONTROL: "Controls"}
    for kind, subject in kinds.items():
        tests = planned(analysis, setting, kind)
        if len(tests):
            found = enumerated([_difference(row, row.p) for row in each(tests)], MOST_NAMES)
            yield f"{subject} are tested outside the family and without correction: {found}."


def _claim(analysis: Analysis, setting: Setting) -> Iterator[str]:
    """Yield a sentence on the seeds that a small difference would need."""
    own = _power(analysis, setting)
    needed = own["seeds_needed_02"].dropna()
    if len(needed):
        tests = own["tests"].max()
        many = f", {_seeds(own['seeds_needed_02_holm'])} within the family" if tests > 1 else ""
        yield (
            f"To detect a difference of {CLAIM:g} Dice from {baseline(analysis, setting)} in "
            f"{score(analysis, setting)}, {_seeds(needed)} seeds would be needed for one test{many} (medians over "
            f"recipes, as above). The spread is estimated from {_span(own['seeds'])} seeds, so these numbers may be "
            "off by a factor of several."
        )


def _exploratory(analysis: Analysis, setting: Setting) -> Iterator[str]:
    """Yield a sentence on all tests that were not planned."""
    tests = rows_of(analysis.tests, setting)
    count = int((tests["p"].notna() & (tests["test"] == EXPLORATORY)).sum())
    if count:
        yield (
            f"All other tests, {count} of pairs and budgets, are exploratory and not corrected for their number: "
            f"without any true difference about {ALPHA * count:.1f} of them would have p < {ALPHA:g}."
        )


def _power(analysis: Analysis, setting: Setting) -> pd.DataFrame:
    """Return the rows of power about the planned tests that are corrected."""
    own = rows_of(analysis.power, setting)
    return own[own["tests"].notna() & own["detectable"].notna()]


def _tests(count: int) -> str:
    return f"{count} planned test{'' if count == 1 else 's'}"


def _seeds(needed: pd.Series) -> str:
    middle = float(needed.median())
    return f"about {middle:.0f}" if math.isfinite(middle) else "more than 1,000"


def _span(seeds: pd.Series) -> str:
    low, high = int(seeds.min()), int(seeds.max())
    return str(low) if low == high else f"{low} to {high}"
