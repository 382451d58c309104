from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from alseg_core.metrics.curve import aubc
from bench.report import analysis
from bench.report.analysis import Analysis, analyse
from bench.report.runs.results import Results
from bench.report.statistics import power
from bench.study.primary import Primary

SETTING = {"dataset": "d", "annotation": "mask", "schedule": "default"}
LABELLED = [10, 20, 40]


def runs(
    recipe: str, dice: NDArray[np.float64], labelled: list[int] = LABELLED, patients: int | None = None, **more: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of scores and volumes of Dice (S, R, V); NaN rounds and volumes are left out, as in run folders."""
    scores, volumes = [], []
    for seed, of_seed in enumerate(dice):
        for number, of_round in enumerate(of_seed):
            defined = {f"v{v:02}": value for v, value in enumerate(of_round) if not math.isnan(value)}
            if not defined:
                continue
            who = {
                **SETTING,
                **more,
                "recipe": recipe,
                "seed": seed,
                "key": f"{recipe}-{more}-{seed}",
                "round": number,
                "budget": str(labelled[number]),
                "labelled": labelled[number],
            }
            spent = {
                "fraction": labelled[number] / 100,
                "cost": labelled[number] ** 1.5,
                "foreground": 7.0 * labelled[number],
            }
            scores += [
                {**who, **spent, "metric": "dice", "value": float(np.mean(list(defined.values())))},
                {**who, **spent, "metric": "cover_radius", "value": 8.0 / (number + 1)},
                {**who, **spent, "metric": "nsd", "value": 0.1},
            ]
            for v, (case, value) in enumerate(defined.items()):
                patient = {} if patients is None else {"patient": f"p{v % patients}"}
                volumes.append({**who, **patient, "case": case, "dice": value})
    return scores, volumes


def results(*parts: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> Results:
    scores = pd.DataFrame([row for part in parts for row in part[0]])
    volumes = pd.DataFrame([row for part in parts for row in part[1]])
    recipes = list(dict.fromkeys(row["recipe"] for part in parts for row in part[0]))
    return Results("s", scores, volumes, pd.DataFrame(), recipes, {}, [], {}, {}, {})


def made(offset: float, seed: int, seeds: int = 4, volumes: int = 8, rounds: int = 3) -> NDArray[np.float64]:
    """Dice (seeds, rounds, volumes): hard and easy volumes that all recipes share, and noise of the recipe."""
    shared = np.random.default_rng(99).normal(0, 0.1, volumes)
    rng = np.random.default_rng(seed)
    level = 0.5 + offset + 0.1 * np.arange(rounds)[:, None] + shared
    return level + rng.normal(0, 0.01, (seeds, 1, 1)) + rng.normal(0, 0.01, (seeds, rounds, volumes))


def cell(frame: pd.DataFrame, **where: Any) -> pd.Series:
    rows = frame[np.logical_and.reduce([frame[name] == value for name, value in where.items()])]
    assert len(rows) == 1, rows
    return rows.iloc[0]


RANDOM, BETTER, ALIKE = made(0.0, 1), made(0.15, 2), made(0.148, 3)


@pytest.fixture(scope="module")
def found() -> Analysis:
    return analyse(
        results(
            runs("random", RANDOM),
            runs("better", BETTER),
            runs("alike", ALIKE),
            runs("oracle_foreground", made(0.3, 4)),
        )
    )


def test_tables_have_their_columns(found: Analysis) -> None:
    for name, columns in (
        ("cells", analysis.CELLS),
        ("areas", analysis.AREAS),
        ("tests", analysis.TESTS),
        ("penalties", analysis.PENALTIES),
        ("standing", analysis.STANDING),
        ("power", analysis.POWERS),
        ("primary", analysis.PRIMARY),
    ):
        frame = getattr(found, name)
        assert list(frame.columns) == columns and len(frame)
        assert (frame[["dataset", "annotation", "schedule"]] == list(SETTING.values())).all(axis=None)


def test_cells(found: Analysis) -> None:
    assert len(found.cells) == 4 * 3
    row = cell(found.cells, recipe="better", round=1)
    per_run = BETTER[:, 1].mean(axis=-1)
    assert row["mean"] == pytest.approx(per_run.mean()) and row["sd"] == pytest.approx(per_run.std(ddof=1))
    assert (row["budget"], row["labelled"], row["fraction"], row["cost"]) == ("20", 20, 0.2, pytest.approx(20**1.5))
    assert (row["seeds"], row["volumes"], row["interval"], row["cover_radius"]) == (4, 8, "seeds x volumes", 4)
    assert row["low"] < row["mean"] < row["high"]
    assert row["mean"] - row["low"] == pytest.approx(row["high"] - row["mean"])
    assert row["high"] - row["mean"] > 2 * stats.sem(BETTER[:, 1].mean(axis=0))  # no less than the volumes alone


def test_areas(found: Analysis) -> None:
    row = cell(found.areas, recipe="random", axis="slices")
    areas = [aubc(LABELLED, run.mean(axis=-1)) for run in RANDOM]
    assert row["mean"] == pytest.approx(np.mean(areas)) and row["sd"] == pytest.approx(np.std(areas, ddof=1))
    assert row["low"] < row["mean"] < row["high"] and row["seeds"] == 4
    by_cost = [aubc(np.array(LABELLED) ** 1.5, run.mean(axis=-1)) for run in RANDOM]
    assert cell(found.areas, recipe="random", axis="cost")["mean"] == pytest.approx(np.mean(by_cost))


def test_tests_are_paired_and_corrected(found: Analysis) -> None:
    assert len(found.tests) == 6 * 4
    row = cell(found.tests, a="random", b="better", budget="40")
    ours, theirs = RANDOM[:, 2].mean(axis=-1), BETTER[:, 2].mean(axis=-1)
    assert row["difference"] == pytest.approx(np.mean(ours - theirs))
    assert row["p"] == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
    own = cell(found.cells, recipe="random", budget="40")
    assert row["high"] - row["low"] < (own["high"] - own["low"]) / 2  # the volumes' differences cancel
    assert row["low"] < row["difference"] < row["high"] < 0
    assert cell(found.tests, a="random", b="better", round=-1)["budget"] == "AUBC"


def test_planned_are_the_areas_against_random(found: Analysis) -> None:
    tests = found.tests.set_index(["a", "b", "round"])
    planned = tests[tests["test"] == "planned"]
    assert set(planned.index) == {("random", "better", -1), ("random", "alike", -1)}
    low, high = sorted(planned["p"])
    assert sorted(planned["p_holm"]) == pytest.approx([min(2 * low, 1), max(2 * low, high)])  # Holm by hand
    assert set(tests.index[tests["test"] == "planned, reference"]) == {("random", "oracle_foreground", -1)}
    rest = tests[tests["test"] != "planned"]
    assert rest["p"].notna().all() and rest["p_holm"].isna().all() and len(rest) == 6 * 4 - 2
    row = found.primary.iloc[0]
    assert (row["against"], row["metric"], row["round"], row["budget"], row["tests"]) == (
        "random",
        "aubc",
        -1,
        "AUBC",
        2,
    )


def test_another_primary_comparison() -> None:
    parts = results(runs("random", RANDOM), runs("better", BETTER), runs("alike", ALIKE))
    key = ("d", "mask", "default")
    last = analyse(dataclasses.replace(parts, primary={key: Primary(against="better", metric="last_dice")}))
    planned = last.tests[last.tests["test"] == "planned"]
    assert set(zip(planned["a"], planned["b"], planned["budget"], strict=True)) == {
        ("random", "better", "40"),
        ("better", "alike", "40"),
    }
    assert last.power[last.power["tests"].notna()]["budget"].tolist() == ["40", "40"]
    assert set(last.power["recipe"]) == {"random", "alike"}
    assert np.isnan(last.standing.set_index("recipe")["improvement"]["better"])
    for nothing in (None, Primary(against="absent")):
        none = analyse(dataclasses.replace(parts, primary={key: nothing}))
        assert set(none.tests["test"]) == {"exploratory"} and none.tests["p_holm"].isna().all()
        assert none.primary.empty and none.power["tests"].isna().all()
        assert set(none.power["recipe"]) == {"better", "alike"}, "random is still what others are compared with"


def test_a_single_budget_has_its_dice_as_the_planned_score() -> None:
    found = analyse(results(runs("random", RANDOM[:, :1]), runs("better", BETTER[:, :1])))
    assert found.tests["test"].tolist() == ["planned"] and found.primary["budget"].tolist() == ["10"]


def test_best_and_tied(found: Analysis) -> None:
    for number in range(3):
        marks = {row.recipe: (row.best, row.tied) for row in found.cells[found.cells["round"] == number].itertuples()}
        assert marks["random"] == (False, False) and marks["oracle_foreground"] == (False, False)
        assert sorted((marks["better"], marks["alike"])) == [(False, True), (True, True)]


def test_penalties(found: Analysis) -> None:
    assert len(found.penalties) == 6
    assert cell(found.penalties, winner="better", loser="random")["penalty"] == 1
    assert cell(found.penalties, winner="random", loser="better")["penalty"] == 0


def test_standing(found: Analysis) -> None:
    standing = found.standing.set_index("recipe")
    scores = np.stack([RANDOM, BETTER, ALIKE]).mean(axis=-1)
    expected = stats.rankdata(-scores, axis=0).mean(axis=(1, 2))
    assert standing["rank"].tolist() == pytest.approx([*expected, math.nan], nan_ok=True)
    assert standing["rank_seeds"].tolist() == [4, 4, 4, 0]
    areas = [aubc(LABELLED, BETTER[s].mean(axis=-1)) for s in range(4)]  # one number a run
    better: Any = standing.loc["better"]
    assert better["iqm"] == pytest.approx(stats.trim_mean(areas, 0.25))
    assert better["iqm_low"] < better["iqm"] < better["iqm_high"]
    assert better["improvement"] == 1 and 0.5 < better["improvement_low"] < 1 == better["improvement_high"]
    assert np.isnan(standing["improvement"]["random"]) and math.isnan(better["efficiency"])
    assert better["cover_radius"] == pytest.approx(np.mean([8, 4, 8 / 3]))


def test_power(found: Analysis) -> None:
    assert len(found.power) == 3 * 4
    row = cell(found.power, recipe="alike", budget="10")
    differences = (ALIKE - RANDOM)[:, 0].mean(axis=-1)
    assert row["difference"] == pytest.approx(differences.mean())
    assert row["sd_difference"] == pytest.approx(differences.std(ddof=1))
    assert row["detectable"] == pytest.approx(2.128 * differences.std(ddof=1), rel=1e-3) and row["seeds"] == 4
    assert math.isnan(row["tests"]) and math.isnan(row["detectable_holm"]), "no planned test"
    area = cell(found.power, recipe="alike", round=-1)
    spread = np.std([aubc(LABELLED, run.mean(axis=-1)) for run in ALIKE - RANDOM], ddof=1)
    assert area["tests"] == 2 and area["detectable_holm"] == pytest.approx(power.smallest_effect(4, 2) * spread)
    assert area["seeds_needed_02_holm"] >= area["seeds_needed_02"]
    oracle = found.power[found.power["recipe"] == "oracle_foreground"]
    assert oracle["detectable_holm"].isna().all() and oracle["tests"].isna().all()
    assert row["seeds_needed"] <= 3 < row["seeds_needed_02"] < 20


def test_same_input_same_numbers(found: Analysis) -> None:
    parts = results(runs("random", RANDOM), runs("better", BETTER))
    first, second, other = analyse(parts), analyse(parts), analyse(parts, seed=1)
    pd.testing.assert_frame_equal(first.cells, second.cells)
    pd.testing.assert_frame_equal(first.standing, second.standing)
    assert not np.array_equal(first.cells["low"], other.cells["low"])
    assert first.cells["low"].to_numpy() == pytest.approx(other.cells["low"].to_numpy(), abs=0.01)


def test_other_recipes_do_not_move_an_interval(found: Analysis) -> None:
    alone = analyse(results(runs("better", BETTER)))
    for name in ("low", "high"):
        together = found.cells[found.cells["recipe"] == "better"][name].to_numpy()
        assert alone.cells[name].to_numpy() == pytest.approx(together)


def test_pairs_use_the_seeds_both_have() -> None:
    few = made(0.1, 5)[:2]
    few[1, 2] = math.nan  # the second run has no last round
    found = analyse(results(runs("random", RANDOM), runs("better", BETTER), runs("few", few)))
    row = cell(found.tests, a="random", b="few", round=0)
    assert row["seeds"] == 2 and row["difference"] == pytest.approx((RANDOM[:2] - few)[:, 0].mean())
    last = cell(found.tests, a="random", b="few", round=2)
    assert (last["seeds"], last["interval"]) == (1, "volumes") and math.isnan(last["p"]) and math.isnan(last["p_holm"])
    assert last["low"] < last["difference"] < last["high"]
    assert cell(found.areas, recipe="few", axis="slices")["seeds"] == 1
    assert found.standing["rank_seeds"].tolist() == [1, 1, 1]
    scores = np.stack([RANDOM[0], BETTER[0], few[0]]).mean(axis=-1)
    assert found.standing["rank"].tolist() == pytest.approx(stats.rankdata(-scores, axis=0).mean(axis=1))
    own = cell(found.cells, recipe="few", round=2)
    assert (own["seeds"], own["interval"]) == (1, "volumes") and math.isnan(own["sd"])


def test_a_lucky_single_seed_is_not_the_best() -> None:
    found = analyse(results(runs("random", RANDOM), runs("better", BETTER), runs("lucky", BETTER[:2] + 0.001)))
    marks = found.cells.set_index(["recipe", "round"])[["best", "tied"]]
    assert marks.loc[("better", 0)].tolist() == [True, True]
    assert marks.loc[("lucky", 0)].tolist() == [
        False,
        False,
    ]  # two seeds tell nothing


def test_one_seed() -> None:
    found = analyse(results(runs("random", RANDOM[:1]), runs("better", BETTER[:1])))
    assert set(found.cells["interval"]) == {"volumes"} and found.cells["sd"].isna().all()
    assert (found.cells["low"] < found.cells["mean"]).all() and found.tests["p"].isna().all()
    assert not found.cells[["best", "tied"]].any(axis=None) and found.penalties.empty
    assert found.power["detectable"].isna().all() and found.power["seeds_needed"].isna().all()
    assert found.standing["rank"].tolist() == [2, 1]


def test_one_volume_and_one_of_everything() -> None:
    found = analyse(results(runs("random", RANDOM[:, :, :1])))
    assert set(found.cells["interval"]) == {"seeds"}
    half = stats.t.ppf(0.975, 3) * stats.sem(RANDOM[:, 0, 0])
    row = cell(found.cells, round=0)
    assert row["high"] - row["mean"] == pytest.approx(half, rel=0.1)  # up to the draws' chance
    lonely = analyse(results(runs("random", RANDOM[:1, :1, :1])))
    assert lonely.cells["interval"].tolist() == [""] and lonely.cells[["low", "high"]].isna().all(axis=None)
    assert lonely.cells["mean"].tolist() == [pytest.approx(RANDOM[0, 0, 0])]
    assert len(lonely.areas) == len(lonely.tests) == len(lonely.penalties) == len(lonely.power) == 0
    assert lonely.standing["rank"].tolist() == [1] and lonely.standing["iqm"].isna().all()


def test_identical_runs() -> None:
    """Recipes that share a first round have the very same scores there."""
    shared = BETTER.copy()
    shared[:, 1:] += 0.05
    found = analyse(results(runs("random", BETTER), runs("shared", shared)))
    first, second = (cell(found.tests, round=number) for number in (0, 1))
    assert first["difference"] == 0 and math.isnan(first["p"]) and math.isnan(first["p_holm"])
    assert first["low"] == pytest.approx(0, abs=1e-7) and first["high"] == pytest.approx(0, abs=1e-7)
    assert found.power.loc[0, ["detectable", "seeds_needed", "seeds_needed_02"]].isna().all()
    assert found.power["seeds_needed"].tolist()[1:] == [2, 2, 2]
    assert second["p"] == 0 and second["difference"] == pytest.approx(-0.05)
    assert found.cells.groupby("round")["best"].sum().tolist() == [0, 1, 1], "who is best where all are equal?"


def test_shared_first_rounds_are_no_tests() -> None:
    other = ALIKE.copy()
    other[:, 0] = RANDOM[:, 0]
    found = analyse(results(runs("random", RANDOM), runs("other", other)))
    assert found.tests["p"].isna().tolist() == [True, False, False, False]
    same = analyse(results(runs("random", RANDOM), runs("same", RANDOM), runs("other", other)))
    assert same.primary["tests"].tolist() == [1]
    planned = same.tests[same.tests["test"] == "planned"].set_index("b")
    assert planned["p_holm"]["other"] == planned["p"]["other"] and math.isnan(planned["p_holm"]["same"])


def dearer(recipe: str, dice: NDArray[np.float64], price: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    scores, volumes = runs(recipe, dice)
    return [{**row, "cost": row["labelled"] * price} for row in scores], volumes


def test_a_dearer_recipe_pays_in_the_area_over_cost() -> None:
    found = analyse(results(dearer("random", RANDOM, 1.0), dearer("dear", RANDOM, 2.0))).areas
    cost, slices = (found[found["axis"] == axis].set_index("recipe")["mean"] for axis in ("cost", "slices"))
    assert slices["dear"] == slices["random"] and cost["dear"] < cost["random"] - 0.01
    grid = np.linspace(20, 40, 2001)
    line = RANDOM.mean(axis=(0, 2))
    expected = {"random": np.interp(grid, LABELLED, line), "dear": np.interp(grid, [20, 40, 80], line)}
    assert cost.to_dict() == pytest.approx({name: values.mean() for name, values in expected.items()}, abs=1e-4)


def test_area_over_cost_is_that_over_slices_at_one_price() -> None:
    found = analyse(results(dearer("random", RANDOM, 0.3), dearer("better", BETTER, 0.3))).areas
    cost, slices = (found[found["axis"] == axis].set_index("recipe")["mean"] for axis in ("cost", "slices"))
    assert cost.to_dict() == pytest.approx(slices.to_dict())


def test_no_area_over_cost_where_no_cost_is_common() -> None:
    found = analyse(results(dearer("random", RANDOM, 1.0), dearer("volumes", BETTER, 15.0)))
    assert set(found.areas["axis"]) == {"slices"}


def test_patients_are_drawn_and_not_their_phases() -> None:
    base = made(0, 1, volumes=6)
    phases = np.concatenate([base, base], axis=-1)  # each patient twice, the second time the same
    found = {patients: analyse(results(runs("random", phases, patients=patients))) for patients in (6, None)}
    once = analyse(results(runs("random", base)))
    width = {k: float((each.cells["high"] - each.cells["low"]).iloc[0]) for k, each in found.items()}
    expected = float((once.cells["high"] - once.cells["low"]).iloc[0])
    assert width[6] == pytest.approx(expected, rel=0.02)
    assert width[None] < 0.85 * expected


def test_patients_that_only_newer_runs_name() -> None:
    old, new = runs("random", RANDOM), runs("better", BETTER, patients=4)
    named = analyse(results(runs("random", RANDOM, patients=4), new))
    for parts in ((old, new), (new, old)):
        found = analyse(results(*parts)).cells.set_index(["recipe", "round"])["low"]
        expected = named.cells.set_index(["recipe", "round"])["low"]
        assert found.sort_index().to_numpy() == pytest.approx(expected.sort_index().to_numpy())


def test_undefined_volumes_are_left_out() -> None:
    dice = made(0, 1)
    dice[0, 0, :3] = math.nan
    dice[1, 1, :] = math.nan  # a missing round
    found = analyse(results(runs("random", dice)))
    assert cell(found.cells, round=0)["mean"] == pytest.approx(np.mean([np.nanmean(run[0]) for run in dice]))
    assert found.cells["seeds"].tolist() == [4, 3, 4] and found.areas["seeds"].tolist() == [3, 3]


def test_foreground_efficiency_needs_full_data() -> None:
    x = np.array(LABELLED) / 100
    curve = np.broadcast_to((0.8 - 0.5 * np.exp(-9 * x))[:, None], (3, 3, 4))
    own = runs("random", curve + np.random.default_rng(0).normal(0, 0.002, (3, 1, 1)))
    full = runs("random", np.full((2, 1, 4), 0.8), labelled=[100], schedule="full")
    found = analyse(results(own, full)).standing.set_index("schedule").loc["default"]
    assert found["efficiency"] == pytest.approx(9, rel=0.1)
    assert found["efficiency_low"] < 9 < found["efficiency_high"]
    elsewhere = runs("random", np.full((2, 1, 4), 0.8), labelled=[100], annotation="scribble")
    assert analyse(results(own, elsewhere)).standing["efficiency"].isna().all()


def test_older_results_without_the_new_columns() -> None:
    parts = results(runs("random", RANDOM), runs("better", BETTER))
    parts = Results(
        parts.name,
        parts.scores.drop(columns="foreground"),
        parts.volume_dice,
        parts.seconds,
        parts.recipes,
        {},
        [],
        {},
        {},
        {},
    )
    assert analyse(parts).standing["efficiency"].isna().all()


def test_nothing_at_all() -> None:
    empty = results(runs("random", RANDOM))
    empty = Results("s", empty.scores[:0], empty.volume_dice[:0], empty.seconds, [], {}, [], {}, {}, {})
    found = analyse(empty)
    assert list(found.cells.columns) == analysis.CELLS and len(found.cells) == len(found.standing) == 0


def test_the_only_recipe_with_all_seeds_is_not_the_best() -> None:
    first, second = made(0.1, 0, seeds=4), made(0.0, 1, seeds=3)
    found = analyse(results(runs("a", first), runs("b", second)))
    assert not found.cells["best"].any() and not found.cells["tied"].any()
    assert analyse(results(runs("a", first), runs("b", made(0.0, 1, seeds=4)))).cells["best"].sum() == 3


def test_nothing_is_marked_below_three_seeds() -> None:
    for seeds, marked in ((2, 0), (3, 3)):
        found = analyse(results(runs("a", made(0.3, 0, seeds=seeds)), runs("b", made(0.0, 1, seeds=seeds))))
        assert found.cells["best"].sum() == marked and found.areas["best"].sum() == (marked > 0) * 2
        assert found.penalties.empty == (marked == 0)


def test_no_recipe_is_best_where_all_have_dice_0() -> None:
    nothing = np.zeros((3, 3, 8))
    trace = nothing + 1e-5
    found = analyse(results(runs("random", nothing), runs("a", nothing), runs("b", trace)))
    assert not found.cells[["best", "tied"]].any(axis=None)


def test_marks_follow_patients_too() -> None:
    """Every seed agrees that one recipe is ahead, thanks to two of eight patients: a t-test over seeds is sure."""
    ahead = RANDOM.copy()
    ahead[:, :, :2] += 0.12
    ahead += np.random.default_rng(5).normal(0, 0.002, (4, 1, 1))
    found = analyse(results(runs("random", RANDOM), runs("ahead", ahead)))
    row = cell(found.tests, round=-1)
    assert row["p"] < 0.001 and row["low"] < 0 < row["high"]
    areas = found.areas[found.areas["axis"] == "slices"].set_index("recipe")
    assert areas["best"].to_dict() == {"random": False, "ahead": True} and areas["tied"].all()
    assert (found.penalties["penalty"] == 0).all()


def test_ties_are_simultaneous_over_the_comparisons_with_the_best() -> None:
    """The half width of the interval against the best, at level 1 - .05 / rivals, by hand from one variance."""
    seeds, patients = 4, 1
    spread = np.array([-1.5, -0.5, 0.5, 1.5]) * 0.01
    sd = np.std(spread, ddof=1)
    level = np.full((seeds, 2, patients), 0.6)
    single = stats.t.ppf(0.975, 3) * sd / 2  # an interval alone
    joint = stats.t.ppf(1 - 0.025 / 3, 3) * sd / 2
    between = (single + joint) / 2
    others = {
        "between": between,
        "beyond": joint * 1.2,
        "near": single * 0.5,
    }
    parts = [runs("best", level)] + [runs(name, level - gap + spread[:, None, None]) for name, gap in others.items()]
    found = analyse(results(*parts), seed=0)
    marks = found.cells[found.cells["round"] == 0].set_index("recipe")["tied"].to_dict()
    assert marks == {"best": True, "between": True, "beyond": False, "near": True}
