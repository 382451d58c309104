"""Recipes that did the same: they picked the same slices and reached the same scores in every run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

from bench.report.runs.run import Run


def twins(runs: Sequence[Run]) -> list[list[str]]:
    """Return groups of recipes that the finished runs of one setting cannot tell apart.

    Recipes that start with the same slices are the same until their second round, so unfinished runs do not count.
    """
    done = [run for run in runs if len(run.records) == len(run.budgets) and run.records[0].selected]
    groups = []
    for recipes in _grouped(done, _scores):  # scores first: few recipes share them, and picks are many
        groups += _grouped([run for run in done if run.recipe in recipes], _picks)
    return groups


def _grouped(runs: Sequence[Run], of: Callable[[Run], Hashable]) -> list[list[str]]:
    """Return the recipes whose runs have the same seeds and are the same in ``of``, in groups of two or more."""
    found: dict[str, set[Hashable]] = defaultdict(set)
    for run in runs:
        found[run.recipe].add((run.seed, of(run)))
    groups: dict[frozenset[Hashable], list[str]] = defaultdict(list)
    for recipe, own in found.items():
        groups[frozenset(own)].append(recipe)
    return [recipes for recipes in groups.values() if len(recipes) > 1]


def _scores(run: Run) -> Hashable:
    return tuple(tuple(sorted(record.summary.items())) for record in run.records)


def _picks(run: Run) -> Hashable:
    return tuple(frozenset((pick["case"], pick["z"]) for pick in record.selected) for record in run.records)
