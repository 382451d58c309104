"""How the finding of a setting was tested and what it is worth, in sentences computed from its tests."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from bench.report.analysis import CLAIM, EXPLORATORY, PLANNED_CONTROL, PLANNED_REFERENCE, Analysis
from bench.report.compared import alone, baseline, few, only_controls, planned, powers, score
from bench.report.numbers import NO_SPREAD, NOTHING, between_signed, chance, signed, span
from bench.report.runs.results import Results
from bench.report.setting import Setting, rows_of
from bench.report.statistics.paired import ALPHA
from bench.report.tables.main_table import each

MOST_NAMES = 8
"""Longest list of recipes in a sentence."""


def meaning(results: Results, analysis: Analysis, setting: Setting) -> list[str]:
    """Return paragraphs that explain the headline; none with too few seeds, or where nothing is compared.

    First how the planned tests were made, what they found and what they could have found; then what the tests of
    references and controls, and all other tests, are worth.
    """
    if few(analysis, setting) or alone(analysis, setting):
        return []
    tested = list(_tested(analysis, setting)) if not only_controls(results, analysis, setting) else []
    paragraphs = [" ".join(tested), *_apart(analysis, setting), *_exploratory(analysis, setting)]
    return [paragraph for paragraph in paragraphs if paragraph]


def _tested(analysis: Analysis, setting: Setting) -> Iterator[str]:
    """Yield sentences on the planned tests: how they were made, what they found and could have found."""
    base, name, tests = baseline(analysis, setting), score(analysis, setting), planned(analysis, setting)
    if not name:
        yield (
            f"By default, AUBC against {base!r} is compared (see primary in alseg list fields study). All tests here "
            "are exploratory; tests.csv has them."
        )
    if tests.empty:
        return
    how = f"{name} against {base}, by a t-test of the differences between runs of the same seed"
    if len(tests) == 1:
        yield f"The study planned one test, {how}; its p-value needs no correction."
    else:
        yield (
            f"The study planned {len(tests)} tests, one per recipe: {how}. Together they are a family: the more tests, "
            "the likelier one of them succeeds by chance. Holm's method therefore raises their p-values, and a recipe "
            f"counts as different where p is still below {ALPHA:g}."
        )
    if len(found := tests[tests["p_holm"] < ALPHA]):
        yield f"Differences, with 95 % intervals over seeds and test patients: {_listed(found, 'p_holm')}."
    yield from _power(powers(analysis, setting), len(tests))


def _listed(tests: pd.DataFrame, p: str) -> str:
    """Return the differences of the first recipes, and how many more there are. p: column of the p-values."""
    shown = [_difference(row, getattr(row, p)) for row in each(tests.head(MOST_NAMES))]
    more = len(tests) - len(shown)
    return "; ".join([*shown, *([f"and {more} more"] if more else [])])


def _difference(row: Any, p: float) -> str:
    """Return a recipe with its difference, interval and p-value, and a warning where these seem to disagree."""
    interval = between_signed(row.low, row.high)
    shown = "" if interval == NOTHING else f" {interval}"
    wider = ", but the interval, which is over test patients too, includes 0" if row.low <= 0 <= row.high else ""
    return f"{row.recipe} {signed(row.difference)}{shown}, {chance(p)}{wider}"


def _power(own: pd.DataFrame, tests: int) -> Iterator[str]:
    """Yield which true differences would have been found, and how many seeds a small one needs."""
    one, family = (float(own[column].median()) for column in ("detectable", "detectable_holm"))
    if family < NO_SPREAD:
        yield "Seeds do not differ here, so that there is no spread to judge by."
        return
    if math.isinf(one):
        yield "Seeds differ so much here that no true difference would have been found reliably."
    else:
        within = "no true difference" if math.isinf(family) else f"a true difference of {family:.3f}"
        alone = "" if tests == 1 else f" within the family, one of {one:.3f} as a single test"
        yield f"With this spread between seeds, {within} is found four times in five{alone}."
    needed, holm = (own[column].dropna() for column in ("seeds_needed_02", "seeds_needed_02_holm"))
    if len(needed):
        many = "" if tests == 1 else f" for a single test, {_seeds(holm)} within the family"
        yield (
            f"A difference of {CLAIM:g} needs {_seeds(needed)} seeds{many} (medians over recipes). The spread is known "
            f"from {span(own['seeds'])} seeds only, so that these numbers may be off by a factor of several."
        )


def _apart(analysis: Analysis, setting: Setting) -> Iterator[str]:
    """Yield a sentence each on the planned tests of references and of controls."""
    kinds = {PLANNED_REFERENCE: "References, which read ground truth,", PLANNED_CONTROL: "Controls"}
    for kind, subject in kinds.items():
        tests = planned(analysis, setting, kind)
        if len(tests):
            yield f"{subject} are tested outside the family and without correction: {_listed(tests, 'p')}."


def _exploratory(analysis: Analysis, setting: Setting) -> Iterator[str]:
    """Yield a sentence on all tests that were not planned."""
    tests = rows_of(analysis.tests, setting)
    count = int((tests["p"].notna() & (tests["test"] == EXPLORATORY)).sum())
    if count:
        yield (
            f"All other tests, {count} of pairs and budgets, are exploratory and not corrected for their number: "
            f"without any true difference about {ALPHA * count:.0f} of them would have p < {ALPHA:g}."
        )


def _seeds(needed: pd.Series) -> str:
    middle = float(needed.median())
    return f"about {middle:.0f}" if math.isfinite(middle) else "more than 1,000"
