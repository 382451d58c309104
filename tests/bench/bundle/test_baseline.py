"""Which random picks are a baseline of which recipes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from alseg_core.vocabulary import RoundRecord
from bench.bundle.checks.baseline import check
from bench.report.runs.run import Run
from bench.study import Study
from bench.study.job import Job
from tests.bench.bundle.conftest import bundle_of
from tests.bench.report.study_files import record

FILLED = [(case, z) for case in "ab" for z in range(4)]
"""Two volumes, filled up."""
SPREAD = [("a", 3), ("b", 1), ("c", 2), ("d", 0)]


def planned(name: str, *settings: str) -> list[Run]:
    """The runs of a study of ``experiments``, none of which has started."""
    study = Study.find(name, ["data=/scans", "seeds=2", *settings])
    jobs = [Job.of(config, Path("study")) for config in study.runs()]
    return [
        Run(
            study=study.name,
            home=Path("study"),
            folder=job.folder,
            key=job.key,
            setting=job.identity.setting,
            recipe=job.identity.recipe,
            seed=job.identity.seed,
            budgets=job.identity.budgets,
            config=job.raw,
        )
        for job in jobs
    ]


def found(runs: Sequence[Run]) -> list[str]:
    """What the check finds in a bundle of these runs."""
    return [finding.text for finding in check(bundle_of(runs))]


def picking(runs: Sequence[Run], picks: Mapping[str, Sequence[tuple[str, int]]]) -> list[Run]:
    """The same runs with one round, in which recipes pick these slices."""

    def round_of(run: Run) -> RoundRecord:
        taken = picks[run.recipe]
        return record(0, {"t0": [0.5, 0.5]}, selected=[{"case": case, "z": z, "score": None} for case, z in taken])

    return [dataclasses.replace(run, records=(round_of(run),)) for run in runs]


@pytest.mark.parametrize("name", ["quick", "sparse_3d", "spread", "acdc_quick", "controls", "paper_cost"])
def test_studies_with_random_slices_in_every_training_have_a_baseline(name: str) -> None:
    assert found(planned(name)) == []


def test_random_slices_that_were_trained_otherwise_are_no_baseline() -> None:
    """sparse_3d trains in several ways; without random_as_long, nothing is beside the recipes that train as long."""
    runs = [run for run in planned("sparse_3d") if run.recipe != "random_as_long"]
    (text,) = found(runs)
    assert text.startswith(
        "acdc/mask/sparse: strided_as_long, gcl_coreset_as_long have no random baseline at the same settings for seed "
        "0, 1: train.iterations_full is 18400, and 4600 in random"
    )


def test_whole_volumes_at_random_are_no_baseline_of_recipes_that_pick_slices() -> None:
    (text,) = found([run for run in planned("spread") if not run.recipe.startswith("random")])
    assert text == (
        "acdc/mask/one: of_1, of_2, of_4, of_8, of_1_in_3d, of_2_in_3d and 2 more pick slices, and no recipe picks "
        "slices at random; whole, whole_in_3d pick whole volumes, which is no baseline for slices"
    )


def test_random_slices_of_random_volumes_are_a_baseline_of_slices() -> None:
    assert found(planned("quick", "recipes=random_volumes entropy")) == []


def test_a_recipe_that_fills_volumes_has_whole_volumes_as_its_baseline() -> None:
    """Which of both a recipe does is seen by what it picked."""
    runs = planned("quick", "recipes=clumped strided")
    assert found(picking(runs, {"clumped": FILLED, "strided": FILLED[:-1]})) == []
    (text,) = found(picking(runs, {"clumped": FILLED, "strided": SPREAD}))
    assert "strided picks slices, and no recipe picks slices at random" in text


def test_nothing_at_random_is_one_finding() -> None:
    assert found(planned("quick", "recipes=strided entropy")) == [
        "phantom/mask/default: no recipe picks at random, so that nothing can be compared"
    ]
