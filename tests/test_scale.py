"""The harness of very large studies, with a handful of runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.planning.workload import Workload
from bench.report import collect
from bench.study import Study
from scale.figure import Figure, text
from scale.material import NAME, RECIPES, ROUNDS, write_files, write_runs
from scale.study import Span, busy

ROOT = Path(__file__).parents[1]


def test_written_runs_are_finished_ones_of_their_study(tmp_path: Path) -> None:
    file, out = write_files(tmp_path, 10, 0.0, 6), tmp_path / "out"
    assert write_runs(file, out) == 10
    workload = Workload.of(Study.find(str(file)), out)
    assert len(workload.jobs) == 10 and not workload.todo and not workload.damaged
    results = collect(out / NAME)
    assert results.recipes == list(RECIPES) and not results.problems and set(results.runs["state"]) == {"finished"}
    last = results.scores[(results.scores["metric"] == "dice") & (results.scores["round"] == len(ROUNDS) - 1)]
    assert len(last) == 10 and last.groupby("recipe")["value"].nunique().eq(2).all()  # each seed has its own score


def test_places_are_busy_while_they_are_inside_a_run() -> None:
    runs, counts = [Span(10, 20), Span(10, 15), Span(18, 30)], [(0.0, 1), (15.0, 2)]  # a place joins after 15 s
    assert busy(runs, counts, Span(10, 20)) == pytest.approx((10 + 5 + 2) / (5 * 1 + 5 * 2))
    assert busy(runs, counts, Span(20, 30)) == pytest.approx(10 / 20)


def test_a_table_tells_figures_and_what_they_are_a_run() -> None:
    figures = [
        Figure("plan", "configurations", 0.5, each=True),
        Figure("study", "places busy", 0.953, "share", note="90% 99%"),
        Figure("study", "files", 1234, "count"),
        Figure("report", "report.html", 2.5e6, "bytes"),
    ]
    told = text(figures, runs=10)
    for word in ("500 ms", "50 ms", "95.3%", "90% 99%", "1,234", "2.5 MB"):
        assert word in told


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_study_is_measured_while_nodes_join_leave_and_are_lost(tmp_path: Path) -> None:
    options = ["--runs", "20", "--seconds", "1", "--nodes", "2", "--places", "1", "--patients", "6"]
    done = subprocess.run(
        [sys.executable, "-m", "scale", *options, "--folder", str(tmp_path / "work"), "--out", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/perf'}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = tmp_path.glob("*.json")
    content = json.loads(path.read_text())
    values = {(figure["part"], figure["what"]): figure["value"] for figure in content["figures"]}
    assert not content["failed"] and 0 < values["study", "places busy"] <= 1
    assert values["study", "runs that were started again"] >= 1
    assert len(list((tmp_path / "work" / "cluster" / "out" / NAME / "runs").iterdir())) == 20
