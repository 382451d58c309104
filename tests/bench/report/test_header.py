"""When and how runs were made, what their recipes do, and which patient is in which part."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from bench import report
from bench.report.analysis import analyse
from bench.report.document import Document, document
from bench.report.header import dates
from bench.report.runs.results import collect
from tests.bench.report.study_files import runs, study

SETTING = ("d", "mask", "default")


def of(folder: Path) -> Document:
    results = collect(folder)
    return document(results, analyse(results), [])


def test_the_head_tells_date_duration_and_command(tmp_path: Path) -> None:
    listed = [
        {"recipe": "random", "seed": seed, "dice": [0.5], "rounds": {"ended": f"2026-11-30T2{seed}:00:00Z", **took}}
        for seed, took in ((0, {"seconds": {"train": 600.0, "select": 300.0}}), (3, {"seconds": {"train": 60.0}}))
    ]
    command = "make bench DATASET=d SEEDS={seeds}"
    assert of(study(tmp_path / "s", listed, command=command)).header == [
        ("made", "2026-11-30 19:45 to 23:00 UTC"),
        ("duration", "3 h 15 min from first to last round, pauses included; 16 min 0 s of work, summed over runs"),
        ("command", '`make bench DATASET=d SEEDS="[0,3]"`'),
    ]


def test_the_head_of_older_runs_leaves_out_what_they_do_not_record(tmp_path: Path) -> None:
    found = of(study(tmp_path / "s", runs({"random": 0.5}, 2)))
    assert found.header == [("duration", "6 s of work, summed over runs")]
    assert found.what.endswith("; 2 runs (2 finished).")


def test_dates_as_text() -> None:
    first = datetime(2026, 11, 30, 22, 40)
    assert dates(first, datetime(2026, 12, 1, 0, 5)) == "2026-11-30 22:40 to 2026-12-01 00:05 UTC"


def test_recipes_are_described_by_their_study_or_else_by_their_strategy(tmp_path: Path) -> None:
    outside = {"config": {"recipe.strategy": {"name": "mine:Mine"}}, "recipe": "mine", "seed": 0, "dice": [0.5]}
    listed = [*runs({"random": 0.5, "coreset": 0.6}, 1), outside]
    described = dict(of(study(tmp_path / "s", listed, recipes={"coreset": "far from\x1b all labelled ones"})).recipes)
    assert described["coreset"] == r"far from\x1b all labelled ones"
    assert described["random"] and "mine" not in described  # code from outside is not run for its docstring


def test_the_part_of_every_volume_is_in_cases_csv_and_its_patients_are_facts(tmp_path: Path) -> None:
    def environment(test: str) -> dict[str, Any]:
        parts = {"train": ["a1", "a2", "b1"], "val": ["c1"], "test": [test]}
        return {"data": {"cases": parts, "patient_of": {"a1": "a", "a2": "a", "b1": "b", "c1": "c", "e1": "e"}}}

    same = runs({"random": 0.5, "coreset": 0.6}, 2, environment=environment("e1"))
    folder = study(tmp_path / "s", same)
    report.write(folder)
    table = pd.read_csv(folder / "report" / "cases.csv", keep_default_na=False)
    assert table.to_numpy().tolist() == [
        ["d", "all", "training", "a1", "a"],
        ["d", "all", "training", "a2", "a"],
        ["d", "all", "training", "b1", "b"],
        ["d", "all", "validation", "c1", "c"],
        ["d", "all", "test", "e1", "e"],
    ]
    assert collect(folder).facts[SETTING]["training patients"] == "a, b (cases.csv has all volumes)"

    own = [{**run, "environment": environment(f"{'ef'[run['seed']]}1")} for run in same]
    results = collect(study(tmp_path / "o", own))
    tested = results.cases[results.cases["part"] == "test"]
    assert tested[["seeds", "case", "patient"]].to_numpy().tolist() == [["0", "e1", "e"], ["1", "f1", ""]]
    assert "test patients" not in results.facts[SETTING]  # they differ by seed
    assert collect(study(tmp_path / "u", runs({"random": 0.5}, 1))).cases.empty
