"""Forecasts on finished runs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from alseg_core.config import RunConfig
from alseg_core.loop import run
from alseg_core.store import Store
from tests.bench.project.outlook.decisions import advised, courses
from tests.bench.project.outlook.replay import alike, costs, runs_of_folder, runs_of_table, trials, verdict

TABLE = Path(__file__).parents[4] / "experiments" / "results" / "acdc_quick" / "runs.csv"


def test_third_rounds_of_a_finished_study_are_foreseen() -> None:
    runs = [run.points for run in runs_of_table(TABLE).values()]
    assert len(runs) == 100 and {len(points) for points in runs} == {3}
    found = verdict(trials(runs[1::2]))  # the prior was chosen on the others
    assert found.forecasts == 50
    assert found.coverage >= 0.8
    assert found.error < found.none / 2  # better than expecting nothing
    assert found.width < 0.2


def test_runs_that_differ_in_their_seed_are_alike() -> None:
    groups = alike(runs_of_table(TABLE).values())
    assert [len(members) for members in groups] == [10] * 10
    regret, *advices = costs(courses(groups), advised, 0.01)
    assert (
        regret == "lost 0.0000 Dice, needless 0.0 slices, regret 0.0000, at most 0.000"
    )  # each third round is worth it
    (advice,) = advices
    assert advice.startswith("too early to tell   100; the next round was worth it: 100 as expected, ")


def test_run_folders_are_read_with_their_patients(tiny: dict[str, Any], tmp_path: Path) -> None:
    tiny["evaluate"] = {"surface": False}
    records = run(RunConfig.load(copy.deepcopy(tiny)), tmp_path / "runs" / "one", Store(tmp_path / "store"))
    again = copy.deepcopy(tiny) | {"seed": tiny.get("seed", 0) + 1}
    run(RunConfig.load(again), tmp_path / "other" / "two", Store(tmp_path / "store"))
    ((name, one),) = runs_of_folder(tmp_path / "runs").items()
    assert name == "one"
    assert {len(members) for members in alike(runs_of_folder(tmp_path).values())} == {2}
    points = one.points
    assert [(point.slices, point.score) for point in points] == [(r.labelled, r.summary["dice"]) for r in records]
    assert set(points[0].patients) == {str(row["patient"]) for row in records[0].volumes}
    (only,) = trials([points])
    assert only.rounds == 2 and only.score == pytest.approx(records[2].summary["dice"] or 0)
    assert only.outlook.batch == records[2].labelled - records[1].labelled
