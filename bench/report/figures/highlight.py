"""Which recipes a figure highlights if there are too many to tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from alseg_core.vocabulary import BASELINE, reads_ground_truth
from bench.report.compared import ranking
from bench.report.figures.looks import Look, looks
from bench.report.runs.results import Results
from bench.report.setting import SETTING, Scope

if TYPE_CHECKING:
    from bench.report.analysis import Analysis

MANY = 10
"""Up to this many recipes get a colour of their own."""
BEST = 6
"""Number of the best that do, if there are more."""


def settings(results: Results) -> list[Scope]:
    """Return the settings with at least one finished round, in the order of the results."""
    rows = results.scores[SETTING].drop_duplicates().itertuples(index=False, name=None)
    return [(str(dataset), str(annotation), str(schedule)) for dataset, annotation, schedule in rows]


def always_shown(recipes: Iterable[str]) -> list[str]:
    """Return random and the first reference that reads ground truth."""
    return [r for r in recipes if r == BASELINE] + [r for r in recipes if reads_ground_truth(r)][:1]


def highlighted(analysis: Analysis, setting: Scope, most: int = MANY, best: int = BEST) -> list[str]:
    """Return all recipes, best first; if there are more than ``most``, the ``best`` ones and the references."""
    ranked = ranking(analysis, setting)
    if len(ranked) <= most:
        return ranked
    kept = {*always_shown(ranked), *[r for r in ranked if not reads_ground_truth(r) and r != BASELINE][:best]}
    return [recipe for recipe in ranked if recipe in kept]


def palette(results: Results) -> dict[str, Look]:
    """Return recipe -> look."""
    return looks(results.recipes)
