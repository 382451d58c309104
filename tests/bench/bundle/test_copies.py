"""Which equal scores of two runs are copies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.bundle.checks.copies import check
from bench.report.runs.run import Run
from tests.bench.bundle.conftest import bundle_of
from tests.bench.report.study_files import BUDGETS, config_of, record


def run(recipe: str, z: int, dice: Sequence[Sequence[float]]) -> Run:
    """A run of one round in which the volumes have these Dice; a class without any is not predicted."""
    first = record(0, {f"v{i}": scores for i, scores in enumerate(dice)})
    for row in first.volumes:
        row["empty"] = "" if row["dice"] else "prediction"
    first.selected.append({"case": "a", "z": z, "score": None})
    where = Path("study")
    return Run(
        study="s",
        home=where,
        folder=where / recipe,
        key=recipe,
        setting=("d", "mask", "default"),
        recipe=recipe,
        seed=0,
        budgets=tuple(BUDGETS),
        config=config_of(recipe, 0),
        records=(first,),
    )


@pytest.mark.parametrize(
    ("dice", "copies"),
    [
        ([[0.02, 0.5], [0.03, 0.6], [0.04, 0.7]], 1),
        ([[0.5], [0.6], [0.7]], 1),
        ([[0.02, 0.0], [0.03, 0.0], [0.04, 0.0]], 0),
        ([[0.02, 0.5], [0.0, 0.0], [0.0, 0.0]], 0),
    ],
    ids=["two classes", "the only class of the data", "one class alone, perhaps everywhere", "few scores"],
)
def test_equal_scores_are_copies_unless_nothing_was_learned(dice: Sequence[Sequence[float]], copies: int) -> None:
    runs = [run("random", 1, dice), run("entropy", 2, dice)]
    assert len(list(check(bundle_of(runs)))) == copies
