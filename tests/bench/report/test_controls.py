"""Whether a report says that its control recipes are where they are known to be."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from alseg_core.metrics.curve import aubc
from bench.report.analysis import analyse
from bench.report.controls import controls_verdict
from bench.report.document import document
from bench.report.markdown import markdown
from bench.report.numbers import chance
from bench.report.runs.results import Results, collect
from bench.report.tables import terminal
from bench.report.tables.headline import headline
from bench.report.tables.interpretation import meaning
from tests.bench.report.study_files import LABELLED, STEPS, study

SETTING = ("d", "mask", "default")
KNOWN = {"above": ["oracle_foreground"], "below": ["clumped"]}
RANDOM = [0.50, 0.52, 0.47, 0.51, 0.49]
NOISE = [0.02, -0.01, 0.00, 0.01, -0.02]


def found(folder: Path, gains: dict[str, float], seeds: int = 5, **content: Any) -> Results:
    """Random and recipes that are ahead by a gain and some noise."""
    listed = [
        {"recipe": recipe, "seed": seed, "dice": (RANDOM[seed] + gain + (gain != 0) * NOISE[seed] + STEPS).tolist()}
        for recipe, gain in {"random": 0.0, **gains}.items()
        for seed in range(seeds)
    ]
    return collect(study(folder, listed, **content))


def verdict(results: Results) -> str:
    return controls_verdict(results, analyse(results), SETTING)


def test_controls_that_are_found_pass(tmp_path: Path) -> None:
    text = verdict(found(tmp_path / "s", {"oracle_foreground": 0.1, "clumped": -0.2}, controls=KNOWN))
    assert text.startswith("Controls: PASS. In AUBC, oracle_foreground is found above random (difference +0.100, p ")
    assert "; clumped is found below random (difference -0.200, p " in text


def test_p_is_that_of_the_paired_test_over_seeds_without_correction(tmp_path: Path) -> None:
    results = found(tmp_path / "s", {"oracle_foreground": 0.02, "clumped": -0.2, "strided": 0.1}, controls=KNOWN)
    areas = [
        [aubc(LABELLED, (level + STEPS).tolist()) for level in levels] for levels in (RANDOM, np.add(RANDOM, NOISE))
    ]
    expected = stats.ttest_rel(np.add(areas[1], 0.02), areas[0]).pvalue
    assert expected > 0.04
    assert f"(difference +0.020, {chance(expected)})" in verdict(results)


@pytest.mark.parametrize(
    ("gains", "missed"),
    [
        ({"oracle_foreground": 0.1, "clumped": 0.2}, "clumped is not found below random (difference +0.200"),
        ({"oracle_foreground": -0.1, "clumped": -0.2}, "oracle_foreground is not found above random (difference -0.1"),
        ({"oracle_foreground": 0.1, "clumped": -0.005}, "clumped is not found below random (difference -0.005"),
        ({"oracle_foreground": 0.1, "clumped": 0.0}, "clumped is not found below random (no test is possible)"),
    ],
    ids=["wrong side", "worse than random", "too small", "the same as random"],
)
def test_one_control_that_is_not_found_fails_the_study(tmp_path: Path, gains: dict[str, float], missed: str) -> None:
    text = verdict(found(tmp_path / "s", gains, controls=KNOWN))
    assert text.startswith("Controls: FAIL.") and missed in text


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_decide_nothing(tmp_path: Path, seeds: int) -> None:
    gains = {"oracle_foreground": 0.1, "clumped": -0.2}
    text = verdict(found(tmp_path / "s", gains, seeds=seeds, controls=KNOWN))
    assert text == "Controls: not decided, 3 seeds or more are needed."


def test_nothing_is_decided_while_runs_are_missing(tmp_path: Path) -> None:
    gains = {"oracle_foreground": 0.1, "clumped": -0.2}
    listed = [
        {"recipe": recipe, "seed": seed, "dice": [] if (recipe, seed) == ("clumped", 2) else [0.3, 0.4, 0.5]}
        for recipe in ("random", *gains)
        for seed in range(3)
    ]
    listed.append({"recipe": "strided", "seed": 0, "dice": []})  # no control
    results = collect(study(tmp_path / "s", listed, controls=KNOWN))
    assert verdict(results) == "Controls: not decided yet, 1 of 9 runs are missing."


def test_a_study_without_controls_says_nothing(tmp_path: Path) -> None:
    for name, content in (("a", {}), ("b", {"controls": None})):
        assert verdict(found(tmp_path / name, {"clumped": -0.2}, **content)) == ""


def test_studies_with_different_controls_are_not_judged_together(tmp_path: Path) -> None:
    for name, known in (("a", KNOWN), ("b", {"below": ["clumped"]})):
        gains = {"oracle_foreground": 0.1, "clumped": -0.2, f"mine_{name}": 0.1}
        found(tmp_path / "all" / name, gains, name=name, controls=known)
    assert collect(tmp_path / "all").controls == {}
    assert verdict(collect(tmp_path / "all" / "b")).startswith("Controls: PASS.")


def test_terminal_and_report_say_it(tmp_path: Path) -> None:
    results = found(tmp_path / "s", {"oracle_foreground": 0.1, "clumped": -0.2}, controls=KNOWN)
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(terminal(results))
    assert "Controls: PASS." in console.export_text()
    assert verdict(results).replace("<", "&lt;") in markdown(document(results, analyse(results), []))


def test_controls_are_tested_outside_the_family(tmp_path: Path) -> None:
    gains = {"oracle_foreground": 0.1, "clumped": -0.2, "strided": 0.02, "coreset": 0.03}
    with_controls, without = found(tmp_path / "a", gains, controls=KNOWN), found(tmp_path / "b", gains)
    analysis, plain = analyse(with_controls), analyse(without)
    assert (analysis.primary["tests"].item(), plain.primary["tests"].item()) == (2, 3)
    kinds = analysis.tests[analysis.tests["round"] == -1].set_index(["a", "b"])["test"]
    assert kinds["random", "clumped"] == "planned, control"
    assert kinds["random", "oracle_foreground"] == "planned, reference"
    assert (kinds == "planned").sum() == 2
    areas = analysis.power[analysis.power["round"] == -1]
    assert set(areas["recipe"][areas["tests"] == 2]) == {"strided", "coreset"}
    assert areas["tests"][areas["recipe"] == "clumped"].isna().all()
    lines = meaning(with_controls, analysis, SETTING)
    assert "The study planned 2 tests" in lines[0] and "clumped" not in lines[0]
    assert any(
        line.startswith("Controls are tested outside the family and without correction: clumped -0.2") for line in lines
    )


def test_who_else_differs_is_said_of_other_recipes(tmp_path: Path) -> None:
    results = found(tmp_path / "s", {"clumped": -0.2, "strided": 0.001}, controls={"below": ["clumped"]})
    assert headline(results, analyse(results), SETTING).startswith("No other recipe differs from random in AUBC")


def test_an_untested_recipe_is_no_control(tmp_path: Path) -> None:
    results = found(tmp_path / "s", {"clumped": -0.2, "strided": 0.0}, controls={"below": ["clumped"]})
    assert headline(results, analyse(results), SETTING).startswith("No recipe can be compared with random in AUBC")


def test_a_study_of_one_budget_is_judged_by_dice(tmp_path: Path) -> None:
    listed = [
        {
            "recipe": recipe,
            "seed": seed,
            "dice": [RANDOM[seed] + gain + (gain != 0) * NOISE[seed]],
            "config": {"budgets": [0.1]},
        }
        for recipe, gain in {"random": 0.0, "clumped": -0.2}.items()
        for seed in range(5)
    ]
    text = verdict(collect(study(tmp_path / "s", listed, controls={"below": ["clumped"]})))
    assert text.startswith("Controls: PASS. In Dice, clumped is found below random (difference -0.200")


def test_a_study_of_controls_alone_has_no_family(tmp_path: Path) -> None:
    results = found(tmp_path / "s", {"oracle_foreground": 0.1, "clumped": -0.2}, controls=KNOWN)
    analysis = analyse(results)
    assert headline(results, analysis, SETTING) == verdict(results)
    (outside, exploratory, *_) = meaning(results, analysis, SETTING)[1:]
    assert outside.startswith("Controls are tested outside the family") and "exploratory" in exploratory
