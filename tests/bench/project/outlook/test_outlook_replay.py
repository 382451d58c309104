"""Forecasts on finished runs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from alseg_core.config import RunConfig
from alseg_core.loop import run
from alseg_core.store import Store
from tests.bench.project.outlook.replay import runs_of_folder, runs_of_table, trials, verdict

TABLE = Path(__file__).parents[4] / "experiments" / "results" / "acdc_quick" / "runs.csv"


def test_third_rounds_of_a_finished_study_are_foreseen() -> None:
    runs = list(runs_of_table(TABLE).values())
    assert len(runs) == 100 and {len(points) for points in runs} == {3}
    found = verdict(trials(runs[1::2]))  # the prior was chosen on the others
    assert found.forecasts == 50
    assert found.coverage >= 0.8
    assert found.error < found.none / 2  # better than expecting nothing
    assert found.width < 0.2


def test_run_folders_are_read_with_their_patients(tiny: dict[str, Any], tmp_path: Path) -> None:
    tiny["evaluate"] = {"surface": False}
    records = run(RunConfig.load(copy.deepcopy(tiny)), tmp_path / "runs" / "one", Store(tmp_path / "store"))
    ((name, points),) = runs_of_folder(tmp_path / "runs").items()
    assert name == "one"
    assert [(point.slices, point.score) for point in points] == [(r.labelled, r.summary["dice"]) for r in records]
    assert set(points[0].patients) == {str(row["patient"]) for row in records[0].volumes}
    (only,) = trials([points])
    assert only.rounds == 2 and only.score == pytest.approx(records[2].summary["dice"] or 0)
    assert only.outlook.batch == records[2].labelled - records[1].labelled
