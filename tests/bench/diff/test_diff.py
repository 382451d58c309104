"""Two studies beside one another: what may be compared, what differs, and whether one reproduces the other."""

from __future__ import annotations

import copy
import io
import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from bench.cli import main
from bench.diff.comparison import Comparison
from bench.diff.settings import Difference
from bench.diff.side import Side
from bench.diff.terminal import terminal
from bench.report.analysis import analyse
from tests.bench.report.study_files import runs, study

LEVELS = {"random": 0.5, "coreset": 0.55}
PICKS = [{"case": "a", "z": 1, "score": None}, {"case": "b", "z": 2, "score": 0.5}]
ENVIRONMENT: dict[str, Any] = {
    "commit": "66290aa5009f",
    "python": "3.11.7",
    "device": "cpu",
    "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
    "data": {
        "cases": {"train": ["a", "b"], "val": ["c"], "test": ["v1", "v2"]},
        "slices": {"train": 100, "val": 10, "test": 20},
    },
}


def made(folder: Path, levels: Mapping[str, float] = LEVELS, seeds: int = 4, **more: Any) -> Path:
    """A finished study with known numbers, whose runs have an environment and picks."""
    facts: dict[str, Any] = {"environment": ENVIRONMENT, "rounds": {"selected": PICKS}, **more}
    return study(folder, runs(levels, seeds, **facts), name=folder.name)


def environment(**changes: Any) -> dict[str, Any]:
    """:data:`ENVIRONMENT` with changes of single entries."""
    changed = copy.deepcopy(ENVIRONMENT)
    for place, value in changes.items():
        (changed["data"] if place in changed["data"] else changed)[place] = value
    return changed


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Side:
    """A study that others are compared with."""
    return read(made(tmp_path_factory.mktemp("first") / "a"))


def read(folder: Path) -> Side:
    return Side.read(folder, folder)


def compared(left: Side, right: Path) -> Comparison:
    return Comparison((left, read(right)))


def text(comparison: Comparison) -> str:
    """The comparison as a console of 80 columns shows it."""
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(terminal(comparison), crop=False)
    return console.export_text()


def asked(*arguments: Path | str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["diff", *map(str, arguments)], catch_exceptions=False)
    return result.exit_code, result.output


def test_a_copy_reproduces_all_and_ends_with_0(tmp_path: Path) -> None:
    original = made(tmp_path / "a")
    shutil.copytree(original, tmp_path / "b")
    code, output = asked(original, tmp_path / "b")
    assert code == 0
    assert "Comparable: same data, split, annotation, budgets, training and evaluation." in output
    assert "Same picks in 8 of 8 runs; largest difference in Dice 0.000." in output
    code, output = asked(original, tmp_path / "b", "--json")
    plain = json.loads(output)
    assert code == 0 and plain["same"] and plain["comparable"] == "yes"
    assert plain["differences"] == plain["only_a"] == plain["only_b"] == []
    assert [(row["difference"], row["common"]) for row in plain["results"]] == [(0.0, 4), (0.0, 4)]


def test_versions_and_commits_are_shown_and_do_not_count(first: Side, tmp_path: Path) -> None:
    other = environment(commit="9c2e11aa0b3d", packages={"torch": "2.12.1", "numpy": "2.4.6"})
    found = compared(first, made(tmp_path / "b", environment=other))
    assert found.same and found.differences == [
        Difference("machine and versions", "torch", "2.13.0", "2.12.1"),
        Difference("code", "commit", "66290aa5009f", "9c2e11aa0b3d"),
    ]


def test_another_training_is_not_compared_and_not_paired(first: Side, tmp_path: Path) -> None:
    found = compared(first, made(tmp_path / "b", config={"train.lr": 0.02}))
    assert not found.same and found.verdict.comparable == "no"
    assert found.verdict.text == "Not comparable: a different training, such as train.lr, 0.01 and 0.02."
    assert found.differences == [Difference("training", "train.lr", "0.01", "0.02")]
    assert {row.apart for row in found.rows} == {"across settings: a different training"}
    assert [row.common for row in found.rows] == [0, 0]
    assert [row["difference"] for row in found.plain()["results"]] == [None, None]
    assert "not paired, across settings: a different training" in text(found)


def test_one_recipe_of_two_that_was_trained_otherwise(first: Side, tmp_path: Path) -> None:
    facts: dict[str, Any] = {"environment": ENVIRONMENT, "rounds": {"selected": PICKS}}
    mixed = [*runs({"random": 0.5}, 4, **facts), *runs({"coreset": 0.55}, 4, config={"train.lr": 0.02}, **facts)]
    found = compared(first, study(tmp_path / "b", mixed))
    assert found.verdict.comparable == "in part"
    assert "1 of 2 that both have; not so: a different training (coreset)" in found.verdict.text
    assert [one.where for one in found.differences] == [("coreset",)]
    assert [row.common for row in found.rows] == [4, 0]


def test_interval_is_that_of_a_report(tmp_path: Path) -> None:
    """Random and coreset of one study are the two sides of another comparison, under one name."""
    levels = runs(LEVELS, 5, environment=ENVIRONMENT)
    random, coreset = levels[:5], [{**run, "recipe": "random"} for run in levels[5:]]
    found = compared(read(study(tmp_path / "a", random)), study(tmp_path / "b", coreset))
    both = study(tmp_path / "both", levels)
    tests = analyse(read(both).results).tests
    test = tests[tests["budget"] == "AUBC"].iloc[0]  # random - coreset
    (row,) = found.rows
    assert row.scores == ("AUBC", "AUBC") and row.common == 5
    assert (row.difference, row.low, row.high) == pytest.approx((-test["difference"], -test["high"], -test["low"]))
    assert row.low < row.difference < row.high


def test_seeds_that_do_not_pair_are_told(tmp_path: Path) -> None:
    levels = runs(LEVELS, 4, environment=ENVIRONMENT)
    even, odd = ([run for run in levels if run["seed"] % 2 == rest] for rest in (0, 1))
    found = compared(read(study(tmp_path / "a", even)), study(tmp_path / "b", odd))
    assert [(row.common, row.apart) for row in found.rows] == [(0, "no complete seed in common")] * 2
    assert all(row.difference == pytest.approx(row.means[1] - row.means[0]) for row in found.rows)


def test_picks_are_compared_round_by_round(first: Side, tmp_path: Path) -> None:
    other = {"selected": [PICKS[0], {"case": "b", "z": 9, "score": 0.5}]}
    found = compared(first, made(tmp_path / "b", rounds=other))
    assert not found.same and [run.picks for run in found.again] == [(0.5, 0.5, 0.5)] * 8
    shown = text(found)
    assert "Same picks in 0 of 8 runs; largest difference in Dice 0.000." in shown
    assert shown.count(" 50 %   50 %   50 %") == 2


def test_picks_in_another_order_are_the_same_picks(first: Side, tmp_path: Path) -> None:
    assert compared(first, made(tmp_path / "b", rounds={"selected": PICKS[::-1]})).same


def test_scores_that_differ_in_three_decimals_count(first: Side, tmp_path: Path) -> None:
    close = compared(first, made(tmp_path / "b", {"random": 0.5004, "coreset": 0.55}))
    assert close.same
    apart = compared(first, made(tmp_path / "c", {"random": 0.5006, "coreset": 0.55}))
    assert not apart.same and apart.verdict.comparable == "yes"
    assert "largest difference in Dice 0.001 (random, seed" in text(apart)


def test_two_annotations_stand_beside_one_another_unpaired(first: Side, tmp_path: Path) -> None:
    found = compared(first, made(tmp_path / "b", config={"annotation": {"name": "scribble"}}))
    assert found.verdict.text == "Not comparable: another annotation (mask, and scribble)."
    assert {row.settings for row in found.rows} == {(("d", "mask", "default"), ("d", "scribble", "default"))}
    assert all(row.common == 0 and math.isnan(row.difference) for row in found.rows) and found.again == []


def test_schedules_of_other_lengths_show_each_side_its_own_score(first: Side, tmp_path: Path) -> None:
    one = {"schedule": "one", "budgets": [0.05]}
    own = [
        {**run, "dice": run["dice"][:1], "config": one}
        for run in runs(LEVELS, 4, environment=ENVIRONMENT, rounds={"selected": PICKS})
    ]
    for sides in (0, 1):
        short, long = read(study(tmp_path / f"short{sides}", own)), first
        found = compared(short, long.path) if sides else compared(long, short.path)
        for row in found.rows:
            at, whole = (0, 1) if sides else (1, 0)
            assert (row.scores[at], row.scores[whole]) == ("Dice at 5 %", "AUBC")
            known = [run["dice"][0] for run in own if run["recipe"] == row.recipe]
            assert row.means[at] == pytest.approx(np.mean(known)) and row.seeds == (4, 4)
            assert math.isnan(row.difference)
        assert f"{'AB'[at]}: Dice at 5 %" in text(found) and f"{'AB'[whole]}: AUBC" in text(found)


def test_what_one_side_lacks_is_told(tmp_path: Path) -> None:
    left = made(tmp_path / "a", {**LEVELS, "strided": 0.5})
    right = made(tmp_path / "b", seeds=2)
    last = next((right / "runs").glob("*random*s1*")) / "rounds.jsonl"
    last.write_text("".join(last.read_text().splitlines(keepends=True)[:1]))
    found = compared(read(left), right)
    assert found.only == (
        [
            "random (d, mask): seed 1 from round 2 on",
            "random, coreset (d, mask): seeds 2, 3",
            "strided (d, mask): seeds 0 to 3",
        ],
        [],
    )
    assert not found.same and not Comparison(found.sides[::-1]).same


def test_other_split_is_not_compared(first: Side, tmp_path: Path) -> None:
    cases = {"train": ["a"], "val": ["c"], "test": ["v1", "v2", "b"]}
    found = compared(first, made(tmp_path / "b", environment=environment(cases=cases)))
    assert found.verdict.text.startswith("Not comparable: another split, or other scans: their volumes differ")
    assert [one.path for one in found.differences] == ["cases.train", "cases.test"]
    assert found.again == [] and "No picks to compare" in text(found)


def test_another_key_of_the_same_scans_is_a_doubt_and_of_generated_ones_a_reason(first: Side, tmp_path: Path) -> None:
    scans = compared(first, made(tmp_path / "b", data_key="other"))
    assert scans.same and "Comparable, if the scans are the same: the keys of the data differ" in scans.verdict.text
    generated = {"dataset.root": None}
    left, right = made(tmp_path / "c", config=generated), made(tmp_path / "d", config=generated, data_key="other")
    assert compared(read(left), right).verdict.text.startswith("Not comparable: other data: their keys differ")


def test_a_recipe_with_other_settings_is_named(first: Side, tmp_path: Path) -> None:
    facts: dict[str, Any] = {"environment": ENVIRONMENT, "rounds": {"selected": PICKS}}
    other = {"recipe.strategy": {"name": "coreset", "start": "random"}}
    mixed = [*runs({"random": 0.5}, 4, **facts), *runs({"coreset": 0.5}, 4, config=other, **facts)]
    found = compared(first, study(tmp_path / "b", mixed))
    assert found.verdict.comparable == "yes" and not found.same
    assert found.verdict.text.endswith("; with other settings of coreset.")
    assert found.differences == [Difference("recipes", "recipe.strategy.start", "—", "random", ("coreset",))]


def test_one_setting_without_a_common_recipe_is_comparable(first: Side, tmp_path: Path) -> None:
    """Somebody's own method beside a published study, at its settings."""
    found = compared(first, made(tmp_path / "b", {"mine": 0.6}))
    assert found.verdict.comparable == "yes" and not found.same
    assert {row.recipe: row.seeds for row in found.rows} == {"random": (4, 0), "coreset": (4, 0), "mine": (0, 4)}
    plain = json.loads(json.dumps(found.plain(), allow_nan=False))
    assert [row["difference"] for row in plain["results"]] == [None, None, None]


def test_two_settings_without_a_common_recipe_are_not_comparable(first: Side, tmp_path: Path) -> None:
    other = {"annotation": {"name": "scribble"}, "train.lr": 0.02}
    found = compared(first, made(tmp_path / "b", {"mine": 0.6}, config=other))
    assert found.verdict.text == "Not comparable: another annotation (mask, and scribble)."
    assert [one.path for one in found.differences] == ["annotation.name", "train.lr"]
    assert found.only == (["random, coreset (d, mask): seeds 0 to 3"], ["mine (d, scribble): seeds 0 to 3"])


def test_settings_that_nobody_shares(tmp_path: Path) -> None:
    left = study(
        tmp_path / "a",
        [
            *runs({"random": 0.5}, 2, config={"dataset.name": "x"}),
            *runs({"random": 0.5}, 2, config={"dataset.name": "y"}),
        ],
    )
    found = compared(read(left), made(tmp_path / "b"))
    assert found.verdict.text == "Not comparable: no setting was run in both; A has x, mask, y, mask, B has d, mask."
    assert len(found.rows) == 4 and found.again == []


def test_long_names_and_values_fit_80_columns(tmp_path: Path) -> None:
    name = "a_recipe_of_a_very_long_name_that_somebody_gave_to_it_and_more"
    settings = {"train.network": {"name": "unet", "widths": list(range(40))}, "train.lr": 0.2}
    left = made(tmp_path / "a", {name: 0.5})
    shown = text(compared(read(left), made(tmp_path / "b", {name: 0.6}, config=settings)))
    assert "train.network.widths" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_control_characters_of_a_stranger_are_written_out(first: Side, tmp_path: Path) -> None:
    found = compared(first, made(tmp_path / "b", config={"train.\x1b[31mred": "\x1b[2J"}))
    shown = text(found)
    assert "\x1b" not in shown and r"train.\x1b[31mred" in shown and r"\x1b[2J" in shown


def test_folder_without_results_is_one_clear_error(tmp_path: Path) -> None:
    code, output = asked(made(tmp_path / "a"), tmp_path / "nothing")
    assert code == 2 and output.startswith("error: ") and "no results found" in output
