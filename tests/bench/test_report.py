from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alseg_core.errors import ResultsError
from alseg_core.results import RunFolder
from alseg_core.vocabulary import RoundRecord
from bench import report
from bench.report.collect import budget_text
from bench.report.plots import interval, points
from bench.report.tables import aubc, comparison, panels, terminal

BUDGETS = [0.1, 0.2, 0.4]
LABELLED = [10, 20, 40]


def record(number: int, volumes: dict[str, list[float | None]]) -> RoundRecord:
    """A round whose test volumes have the given Dice per class."""
    per_volume = [np.mean([d for d in dice if d is not None]) for dice in volumes.values()]
    rows = [{"case": case, "class": f"c{i}", "dice": d} for case, dice in volumes.items() for i, d in enumerate(dice)]
    summary = {"dice": float(np.mean(per_volume)), "hd95_mm": 10.0 - number, "assd_mm": None, "nsd": 0.5}
    return RoundRecord(
        round=number, labelled=LABELLED[number], fraction=BUDGETS[number], cost=LABELLED[number] / 15, cover_radius=1.0,
        selected=[], members=[], best=0, volumes=rows, summary=summary, seconds={"train": 1.0}, ledger=[],
    )  # fmt: skip


def study(folder: Path, runs: list[dict[str, Any]]) -> Path:
    """Study folder of runs {recipe, seed, dice: one a round, failure}."""
    index = []
    for run in runs:
        key = f"d-{run['recipe']}-s{run['seed']}"
        place = RunFolder(folder / "runs" / key)
        place.path.mkdir(parents=True)
        for number, dice in enumerate(run["dice"]):
            place.append(record(number, {"v1": [dice - 0.1, dice - 0.1], "v2": [dice + 0.1, None]}))
        if "failure" in run:
            place.fail(run["failure"], "trace")
        index.append({"key": key, "dataset": "d", "annotation": "mask", "schedule": "default", "recipe": run["recipe"],
                      "seed": run["seed"], "budgets": BUDGETS})  # fmt: skip
    (folder / "study.json").write_text(json.dumps({"name": "s", "runs": index}))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return study(tmp_path / "s", [
        {"recipe": "random", "seed": 0, "dice": [0.2, 0.4, 0.6]},
        {"recipe": "random", "seed": 1, "dice": [0.4, 0.5, 0.8]},
        {"recipe": "coreset", "seed": 0, "dice": [0.5, 0.7, 0.8]},
        {"recipe": "coreset", "seed": 1, "dice": [0.5], "failure": "out of luck"},
        {"recipe": "oracle_foreground", "seed": 0, "dice": []},
    ])  # fmt: skip


def test_aubc_is_the_trapezoid_over_true_budgets() -> None:
    assert aubc([10, 20, 40], [0.2, 0.4, 0.6]) == pytest.approx((10 * 0.3 + 20 * 0.5) / 30)
    assert aubc([5, 9], [0.7, 0.7]) == pytest.approx(0.7)
    assert math.isnan(aubc([5], [0.7]))


def test_comparison_numbers(folder: Path) -> None:
    table = comparison(report.collect(folder)).set_index(["recipe", "metric", "budget"])
    random = table.loc[("random", "dice", "20 %")]
    assert (random["mean"], random["sd"], random["seeds"], random["labelled"]) == (
        pytest.approx(0.45), pytest.approx(0.1 / math.sqrt(2)), 2, 20)  # fmt: skip
    single = table.loc[("coreset", "dice", "40 %")]
    assert single["seeds"] == 1 and math.isnan(single["sd"])
    assert table.loc[("random", "hd95_mm", "40 %")]["mean"] == 8.0
    assert "assd_mm" not in table.index.get_level_values("metric")
    areas = [aubc(LABELLED, [0.2, 0.4, 0.6]), aubc(LABELLED, [0.4, 0.5, 0.8])]
    area = table.loc[("random", "aubc_dice", "10 % to 40 %")]
    assert area["mean"] == pytest.approx(np.mean(areas)) and area["sd"] == pytest.approx(np.std(areas, ddof=1))
    assert table.loc[("coreset", "aubc_dice", "10 % to 40 %")]["seeds"] == 1  # the failed run has no whole curve


def test_panels_put_the_best_first_and_mark_references(tmp_path: Path) -> None:
    folder = study(tmp_path / "s", [
        {"recipe": "random", "seed": 0, "dice": [0.2, 0.4, 0.6]},
        {"recipe": "oracle_foreground", "seed": 0, "dice": [0.3, 0.6, 0.7]},
    ])  # fmt: skip
    (panel,) = panels(comparison(report.collect(folder)))
    assert [row[0] for row in panel.rows] == ["oracle_foreground (reads ground truth)", "random"]
    assert panel.rows[1][1] == ["0.200 ± —", "0.400 ± —", "0.600 ± —"]
    assert panel.budgets == ["10 % (10 slices)", "20 % (20 slices)", "40 % (40 slices)"]


def test_failed_and_unfinished_runs_are_told_apart(folder: Path) -> None:
    results = report.collect(folder)
    assert results.failed == {"d-coreset-s1": "out of luck"}
    assert results.unfinished == ["d-oracle_foreground-s0"]
    from rich.console import Console

    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(terminal(results))
    text = console.export_text()
    assert "d-coreset-s1: out of luck" in text and "not finished: d-oracle_foreground-s0" in text


def test_files_of_a_report(folder: Path) -> None:
    report.write(folder)
    place = folder / "report"
    with (place / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"dataset", "annotation", "recipe", "budget", "labelled", "metric", "mean", "sd", "seeds"} <= set(rows[0])
    assert float(next(r["mean"] for r in rows if r["recipe"] == "coreset" and r["metric"] == "dice")) == pytest.approx(
        0.5
    )
    markdown = (place / "comparison.md").read_text()
    assert "0.450 ± 0.071" in markdown and "out of luck" in markdown
    tex = (place / "comparison.tex").read_text()
    assert r"hd95\_mm" in tex and tex.count(r"\\") == len(rows) + 1
    assert (place / "curves.png").stat().st_size > 5000


def test_report_of_a_study_without_any_round(tmp_path: Path) -> None:
    report.write(study(tmp_path / "s", [{"recipe": "random", "seed": 0, "dice": []}]))
    assert "not finished" in (tmp_path / "s" / "report" / "comparison.md").read_text()


def test_no_study(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="study.json is missing"):
        report.collect(tmp_path)


def test_interval_is_two_standard_errors() -> None:
    values = np.random.default_rng(0).normal(size=400)
    assert interval(values) == pytest.approx(2 * values.std() / 20, rel=0.1)
    assert interval(values) == interval(values)
    assert interval(np.array([0.5])) == 0.0 and interval(np.array([0.5, 0.5])) == 0.0


def test_curve_averages_seeds_before_volumes(folder: Path) -> None:
    results = report.collect(folder)
    line = points(results.volumes[results.volumes["recipe"] == "random"])
    assert list(line["labelled"]) == LABELLED
    # volumes differ by .2 whatever the seed: half = 2 SE of the mean of {m - .1, m + .1}, SE = .1 / sqrt(2)
    assert line["mean"].tolist() == pytest.approx([0.3, 0.45, 0.7])
    assert line["half"].tolist() == pytest.approx([2 * 0.1 / math.sqrt(2)] * 3, rel=0.08)


def test_budget_text() -> None:
    assert [budget_text(b) for b in (0.015, 1.0, 12)] == ["1.5 %", "100 %", "12"]


def test_time_weights_and_citations(folder: Path) -> None:
    content = json.loads((folder / "study.json").read_text())
    content["sources"] = {"d": "Someone 2020. Licence: CC0", "coreset": "Sener and Savarese"}
    (folder / "study.json").write_text(json.dumps(content))
    place = RunFolder(folder / "runs" / "d-coreset-s1")
    place.append(
        dataclasses.replace(
            record(1, {"v1": [0.5]}),
            seconds={"train": 3.0, "select": 0.5},
            signals={"init": "random (imagenet not reachable: no network)", "labels": "simulated"},
        )
    )
    report.write(folder)
    with (folder / "report" / "timing.csv").open() as file:
        rows = {row["recipe"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["random", "coreset"]
    # five rounds of coreset: four of one second, one of three
    assert float(rows["coreset"]["train"]) == pytest.approx(7 / 5) and rows["coreset"]["rounds"] == "5"
    assert float(rows["coreset"]["select"]) == 0.5 and rows["random"]["select"] == ""
    text = (folder / "report" / "comparison.md").read_text()
    assert "- coreset: random (imagenet not reachable: no network)" in text and "## d, mask (simulated)" in text
    assert "- d: Someone 2020. Licence: CC0" in text and "- coreset: Sener and Savarese" in text
