"""The tables: numbers, marks, and how each form writes them down."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from rich.console import Console

from alseg_core.metrics.curve import aubc
from alseg_core.results import RunFolder
from bench.report.analysis import Analysis, analyse
from bench.report.document import document
from bench.report.markdown import markdown, pipes
from bench.report.numbers import between, between_signed, chance, detectable, probability, signed
from bench.report.runs.collapse import collapsed
from bench.report.runs.results import Results, collect
from bench.report.statistics.power import seeds_needed, smallest_effect
from bench.report.tables import Panel, comparison, latex, panels, terminal, timing
from bench.report.tables.headline import headline, next_step
from bench.report.tables.interpretation import meaning
from bench.report.tables.latex import escape
from tests.bench.report.study_files import BUDGETS, LABELLED, STEPS, record, runs, study

SETTING = ("d", "mask", "default")
WHERE = dict(zip(("dataset", "annotation", "schedule"), SETTING, strict=True))


@pytest.fixture
def some(tmp_path: Path) -> Results:
    """Two recipes, one with a failed run, and a reference that has not begun."""
    return collect(
        study(
            tmp_path / "s",
            [
                {"recipe": "random", "seed": 0, "dice": [0.2, 0.4, 0.6]},
                {"recipe": "random", "seed": 1, "dice": [0.4, 0.5, 0.8]},
                {"recipe": "coreset", "seed": 0, "dice": [0.5, 0.7, 0.8]},
                {"recipe": "coreset", "seed": 1, "dice": [0.5], "failure": "out of luck"},
                {"recipe": "oracle_foreground", "seed": 0, "dice": []},
            ],
        )
    )


@pytest.fixture(scope="module")
def clear(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Analysis]:
    """Five seeds: one recipe ahead by far, one far behind, one like random, and a reference above them all."""
    levels = {"random": 0.6, "like_random": 0.602, "better": 0.9, "worse": 0.3, "oracle_foreground": 0.93}
    results = collect(study(tmp_path_factory.mktemp("clear") / "s", runs(levels, 5)))
    return results, analyse(results)


def shown(results: Results, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), record=True, force_terminal=True)
    console.print(terminal(results), crop=False)
    return console.export_text()


def marks(panel: Panel) -> dict[str, str]:
    return {
        r.recipe: "best" if r.area and r.area.best else "tied" if r.area and r.area.tied else "" for r in panel.rows
    }


def test_comparison_numbers(some: Results) -> None:
    table = comparison(some).set_index(["recipe", "metric", "budget"])
    random = table.loc[("random", "dice", "20 %")]
    assert (random["mean"], random["sd"], random["seeds"], random["labelled"], random["cost"]) == (
        pytest.approx(0.45),
        pytest.approx(0.1 / math.sqrt(2)),
        2,
        20,
        pytest.approx(20 / 15),
    )
    single = table.loc[("coreset", "dice", "40 %")]
    assert single["seeds"] == 1 and math.isnan(single["sd"])
    assert table.loc[("random", "hd95_mm", "40 %")]["mean"] == 8.0
    assert "assd_mm" not in table.index.get_level_values("metric")
    areas = [aubc(LABELLED, [0.2, 0.4, 0.6]), aubc(LABELLED, [0.4, 0.5, 0.8])]
    area = table.loc[("random", "aubc_dice", "10 % to 40 %")]
    assert area["mean"] == pytest.approx(np.mean(areas)) and area["sd"] == pytest.approx(np.std(areas, ddof=1))
    assert table.loc[("coreset", "aubc_dice", "10 % to 40 %")]["seeds"] == 1  # the failed run has no whole curve


def test_panels_show_the_analysis_best_first(clear: tuple[Results, Analysis]) -> None:
    results, analysis = clear
    (panel,) = panels(results, analysis)
    assert panel.heads == ["10 % (10 slices)", "20 % (20 slices)", "40 % (40 slices)"]
    order = ["better", "like_random", "random", "worse", "oracle_foreground"]
    assert [row.recipe for row in panel.rows] == order
    assert panel.rows[-1].label == "oracle_foreground (reads ground truth)" and panel.rows[-1].reference
    for sheet in document(results, analysis, []).sections[0].sheets:  # one order in all tables
        names = [line.recipes[0] for line in sheet.lines if line.recipes]
        assert list(dict.fromkeys(names)) == [name for name in order if name in names], sheet.title
    dice = results.scores[results.scores["metric"] == "dice"]
    for row in panel.rows:
        own = dice[dice["recipe"] == row.recipe]
        for i, cell in enumerate(row.cells):
            values = own[own["round"] == i]["value"]
            assert cell is not None and cell.seeds == 5
            assert cell.text == f"{values.mean():.3f} ± {values.std(ddof=1):.3f}" and cell.low < cell.mean < cell.high


def test_best_and_ties_where_the_truth_is_known(clear: tuple[Results, Analysis]) -> None:
    (panel,) = panels(*clear)
    assert marks(panel) == dict.fromkeys(marks(panel), "") | {"better": "best"}
    for row in panel.rows:
        assert [cell.best for cell in row.cells if cell] == [row.recipe == "better"] * 3


def test_with_two_seeds_nothing_is_marked_and_no_interval_is_shown(tmp_path: Path) -> None:
    results = collect(study(tmp_path / "s", runs({"random": 0.5, "coreset": 0.9, "badge": 0.5}, 2)))
    analysis = analyse(results)
    (panel,) = panels(results, analysis)
    assert panel.few and set(marks(panel).values()) == {""}
    assert not any(cell.best or cell.tied for row in panel.rows for cell in row.cells if cell)
    assert panel.key.startswith("With fewer than 3 seeds nothing is marked")
    assert r"\textbf" not in latex([panel]) and "95 %" not in shown(results, 200)
    text = markdown(document(results, analysis, []))
    assert not re.search(r"\[[-+]?\d", text), "an interval"
    titles = [sheet.title for sheet in document(results, analysis, []).sections[0].sheets]
    assert "What these seeds can detect" not in titles
    (summary,) = [s for s in document(results, analysis, []).sections[0].sheets if s.title.startswith("Summary")]
    assert not {"wins", "losses"} & set(summary.columns)


def test_terminal_takes_the_form_that_fits(clear: tuple[Results, Analysis]) -> None:
    results, _ = clear
    wide, middle, narrow, tiny = (shown(results, width) for width in (140, 80, 55, 36))
    assert "95 %" in wide.partition("The study planned")[0] and re.search(r"better +(0\.\d{3} ± 0\.\d{3} +){4}\[", wide)
    assert "95 %" not in middle.partition("The study planned")[0]
    assert re.search(r"better +(0\.\d{3} ± 0\.\d{3}\s+){4}", middle)
    assert re.search(r"better +(0\.\d{3}\s+){4}", narrow) and "(10)" in narrow
    assert re.search(r"better +(0\.\d{3}\s+){2}", tiny) and "40 %" in tiny and "20 %" not in tiny
    for text, width in ((wide, 140), (middle, 80), (narrow, 55), (tiny, 36)):
        assert "oracle_foreground" in text and max(map(len, text.splitlines())) <= width
    assert "over 5 seeds: d, mask" in wide


def test_terminal_marks(clear: tuple[Results, Analysis]) -> None:
    console = Console(width=140, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(terminal(clear[0]))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    line = next(line for line in text.splitlines() if " better " in line.replace("\x1b[", " \x1b["))
    assert line.count("\x1b[1m") == 4  # three budgets and the area


def test_terminal_tells_what_is_missing(some: Results) -> None:
    text = shown(some, 160)
    assert "failed: coreset, seed 1 (d-coreset-mask-s1): out of luck" in text
    assert "not finished: oracle_foreground, seed 0 (d-oracle_foreground-mask-s0)" in text
    assert text.startswith(
        "So far, with 2 of 5 runs missing: 2 seeds cannot tell whether any recipe differs from random"
    )


def test_runs_are_named_by_what_was_run(tmp_path: Path) -> None:
    late = {"config": {"schedule": "late"}, "key": "d-random-mask-late-s3-0123abcd", "recipe": "random", "seed": 3}
    first, second = {"recipe": "random", "seed": 0, "dice": [0.5]}, {**late, "dice": [], "failure": "out of luck"}
    results = collect(study(tmp_path / "s", [first, second]))
    found = document(results, analyse(results), [])
    assert found.failed == [("d, mask, budgets late: random, seed 3 (0123abcd)", "out of luck")]
    assert found.unfinished == ["d, mask: random, seed 0 (d-random-mask-s0)"]


def test_the_terminal_begins_with_what_was_found(clear: tuple[Results, Analysis], tmp_path: Path) -> None:
    text = shown(clear[0], 1000)
    order = [headline(*clear, SETTING), next_step(*clear, SETTING), "Test Dice, mean", *meaning(*clear, SETTING)[:1]]
    places = [text.index(part) for part in order]
    assert places[0] == 0 and places == sorted(places)
    levels = {"random": 0.5, "x": 0.9}
    results = collect(study(tmp_path / "s", [*runs(levels, 3), *runs(levels, 3, config={"schedule": "late"})]))
    lines = shown(results, 1000).splitlines()
    assert [line.partition(": x beats")[0] for line in lines[:2]] == ["d, mask", "d, mask, budgets late"]
    assert lines.count(next_step(results, analyse(results), SETTING)) == 1  # it is the same for both


def test_finding_in_words(clear: tuple[Results, Analysis]) -> None:
    results, analysis = clear
    assert re.fullmatch(
        r"better beats random \(\+0\.\d{3} AUBC, p < 0\.001, 5 seeds\); worse loses to it \(-0\.\d{3}, p < 0\.001\); "
        r"no other recipe differs from it\.",
        headline(results, analysis, SETTING),
    )
    own = analysis.power[analysis.power["tests"].notna()]
    assert len(own) == 3
    tested, apart, others = meaning(results, analysis, SETTING)
    assert tested.startswith("The study planned 3 tests, one per recipe: AUBC against random, by a t-test")
    assert tested.index("family") < tested.index("Holm's method")  # explained before it is named
    assert re.search(r"better \+0\.\d+ \[\+0\.\d+, \+0\.\d+\], p < 0\.001; worse -0\.\d+ \[-0\.\d+, -0", tested)
    said = re.search(r"difference of ([\d.]+) is found .* family, one of ([\d.]+) as a single test\.", tested)
    assert said is not None
    medians = [own[name].median() for name in ("detectable_holm", "detectable")]
    assert [float(number) for number in said.groups()] == pytest.approx(medians, abs=0.0006)
    assert "A difference of 0.02 needs about" in tested
    assert "oracle_foreground +0" in apart and "outside the family and without correction" in apart
    assert "All other tests, 36 of pairs and budgets, are exploratory" in others and "about 2 of them" in others


def test_a_headline_names_few_recipes(tmp_path: Path) -> None:
    levels = {"random": 0.5, "a": 0.9, "b": 0.8, "c": 0.7, "d": 0.65, "e": 0.4, "f": 0.3}
    results = collect(study(tmp_path / "s", runs(levels, 5)))
    text = headline(results, analyse(results), SETTING)
    assert re.fullmatch(
        r"a \(\+0\.\d+ AUBC, p [<=] [\d.]+, 5 seeds\), b \([^)]*\), c \([^)]*\) and 1 more beat random; "
        r"f \(-0\.\d+, p [<=] [\d.]+\) and e \(-0\.\d+, p [<=] [\d.]+\) lose to it\.",
        text,
    )


def paired_study(
    folder: Path, gains: list[float], name: str = "ahead", steps: NDArray[np.float64] = STEPS, **content: Any
) -> Results:
    """Random, and a recipe whose runs are ahead of random's by the given differences."""
    base = [0.5 + 0.02 * seed for seed in range(len(gains))]
    levels = {"random": base, name: np.add(base, gains)}
    listed = [
        {"recipe": recipe, "seed": seed, "dice": (level + steps).tolist()}
        for recipe, values in levels.items()
        for seed, level in enumerate(values)
    ]
    return collect(study(folder, listed, **content))


COMMAND = "make bench DATASET=d SEEDS={seeds}"


def test_no_difference_names_what_would_have_shown_and_the_seeds_of_a_claim(tmp_path: Path) -> None:
    gains = [0.03, -0.03, 0.02, -0.02, 0.01]
    results = paired_study(tmp_path / "s", gains, command=COMMAND)
    analysis = analyse(results)
    smallest = smallest_effect(5) * float(np.std(gains, ddof=1))
    assert headline(results, analysis, SETTING) == (
        f"No recipe differs from random in AUBC with 5 seeds; differences above {smallest:.3f} would most likely have "
        "shown."
    )
    needed = int(seeds_needed(0.02, float(np.std(gains, ddof=1))))
    assert next_step(results, analysis, SETTING) == (
        f"Next: about {needed} seeds would be needed to show a difference of 0.02 in AUBC; `make bench DATASET=d "
        f"SEEDS={needed}` adds {2 * (needed - 5)} runs and keeps the finished ones."
    )
    assert meaning(results, analysis, SETTING)[0].startswith("The study planned one test,")


def test_seeds_that_suffice_for_a_claim_need_no_command(tmp_path: Path) -> None:
    results = paired_study(tmp_path / "s", [0.001, -0.001, 0.002, -0.002, 0.0], command=COMMAND)
    text = next_step(results, analyse(results), SETTING)
    assert text == "These 5 seeds suffice to show a difference of 0.02 in AUBC."


def test_runs_that_are_missing_come_first(tmp_path: Path) -> None:
    listed = [*runs({"random": 0.5, "x": 0.9}, 3), {"recipe": "y", "seed": 1, "dice": []}]
    results = collect(study(tmp_path / "s", listed, command=COMMAND))
    analysis = analyse(results)
    assert headline(results, analysis, SETTING).startswith("So far, with 1 of 7 runs missing: x beats random")
    assert next_step(results, analysis, SETTING) == (
        "Next: `make bench DATASET=d SEEDS=3` runs the missing run and keeps the finished ones."
    )
    unknown = collect(study(tmp_path / "u", listed))
    assert "the same command, started again, runs the missing run" in next_step(unknown, analyse(unknown), SETTING)


def test_seeds_that_differ_by_all_there_is(tmp_path: Path) -> None:
    results = paired_study(tmp_path / "s", [0.44, -0.44, 0.1], steps=0 * STEPS)
    analysis = analyse(results)
    text = headline(results, analysis, SETTING) + meaning(results, analysis, SETTING)[0]
    assert "no difference would have shown reliably" in text and "no true difference would have been found" in text
    assert not re.search(r"[1-9]\.\d", text)
    sheets = document(results, analyse(results), []).sections[0].sheets
    (sheet,) = [sheet for sheet in sheets if sheet.title == "What these seeds can detect"]
    assert sheet.lines[0].entries[4].text == "more than 1"


def test_a_finding_on_these_patients_only_says_so(tmp_path: Path) -> None:
    """All seeds agree that a recipe is ahead, but only one of two patients is."""
    results = paired_study(tmp_path / "s", [0.05, 0.051, 0.049])
    volumes = results.volume_dice
    ahead = (volumes["recipe"] == "ahead") & (volumes["case"] == "v1")
    volumes.loc[ahead, "dice"] += 0.2
    volumes.loc[(volumes["recipe"] == "ahead") & (volumes["case"] == "v2"), "dice"] -= 0.1
    analysis = analyse(results)
    text = headline(results, analysis, SETTING)
    assert text.startswith("ahead beats random (+0.100 AUBC") and text.endswith("3 seeds, on these patients only).")
    assert "but the interval, which is over test patients too, includes 0" in meaning(results, analysis, SETTING)[0]


def test_one_seed_tells_nothing_but_the_command(tmp_path: Path) -> None:
    recipes = {"random": 0.5, "coreset": 0.6}
    results = collect(study(tmp_path / "s", runs(recipes, 1), command=COMMAND))
    analysis = analyse(results)
    assert headline(results, analysis, SETTING) == (
        "One seed cannot tell whether any recipe differs from random in AUBC."
    )
    assert next_step(results, analysis, SETTING) == (
        "Next: 5 seeds could tell; `make bench DATASET=d SEEDS=5` adds 8 runs and keeps the finished ones."
    )
    assert "    make bench DATASET=d SEEDS=5" in shown(results, 20).splitlines()  # whole, so that it can be copied
    assert meaning(results, analysis, SETTING) == []
    (panel,) = panels(results, analysis)
    assert panel.rows[0].cells[0] is not None and "±" not in panel.rows[0].cells[0].text
    older = collect(study(tmp_path / "o", runs(recipes, 2)))
    assert "running the study again with 5 seeds adds 6 runs and" in next_step(older, analyse(older), SETTING)


def test_recipes_that_were_never_tested_are_named_and_their_seeds_asked_for(tmp_path: Path) -> None:
    levels = {"random": 0.5, "like": 0.5, "same": 0.5, "lonely": 0.65, "apart": 0.65}
    seeds = {"lonely": [0], "apart": [5]}
    noise = {"like": [0.03, -0.03, 0.02, -0.02, 0.01]}
    listed = [
        {"recipe": r, "seed": seed, "dice": (level + noise.get(r, [0] * 5)[seed % 5] + 0.01 * seed + STEPS).tolist()}
        for r, level in levels.items()
        for seed in seeds.get(r, range(5))
    ]
    results = collect(study(tmp_path / "s", listed, command=COMMAND))
    analysis = analyse(results)
    assert headline(results, analysis, SETTING).endswith(
        "same (equal in every seed), lonely (1 seed in common) and apart (no complete seed in common) are not tested."
    )
    assert next_step(results, analysis, SETTING) == (
        "Next: 6 seeds of lonely and apart could tell; `make bench DATASET=d SEEDS=6` adds 13 runs and keeps the "
        "finished ones."
    )
    few = collect(study(tmp_path / "t", [run for run in listed if run["recipe"] in ("random", "like", "lonely")]))
    assert headline(few, analyse(few), SETTING).endswith("; lonely (1 seed in common) is not tested.")
    assert "5 seeds of lonely could tell" in next_step(few, analyse(few), SETTING)
    nothing = collect(study(tmp_path / "n", [run for run in listed if run["recipe"] in ("random", "lonely")]))
    assert "5 seeds of lonely could tell" in next_step(nothing, analyse(nothing), SETTING)


def test_runs_to_add_are_counted_where_recipes_have_different_seeds(tmp_path: Path) -> None:
    listed = [
        {"recipe": r, "seed": seed, "dice": [0.5, 0.6, 0.7]}
        for r, s in (("random", (0, 1)), ("x", (2, 3)))
        for seed in s
    ]
    results = collect(study(tmp_path / "s", listed, command=COMMAND))
    assert "SEEDS=5` adds 6 runs and keeps" in next_step(results, analyse(results), SETTING)


def test_several_commands_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    commands = [f"make bench DATASET=d PRESET={name} RECIPES=random SEEDS={{seeds}}" for name in "ab"]
    for name, recipe, command in zip("ab", ("random", "x"), commands, strict=True):
        study(tmp_path / "s" / name, runs({recipe: 0.5}, 1), name, command=command)
    results = collect(tmp_path / "s")
    both = [command.replace("{seeds}", "5") for command in commands]
    assert f"`{both[0]}` and `{both[1]}` add 8 runs and keep the finished ones." in next_step(
        results, analyse(results), SETTING
    )
    text = shown(results, 60)
    assert "these commands add 8 runs and keep the finished ones:" in " ".join(text.split())
    lines = text.splitlines()
    place = lines.index(f"    {both[0]}")
    assert lines[place + 1] == f"    {both[1]}" and "`" not in text


def test_only_files_from_elsewhere_come_with_a_warning(tmp_path: Path) -> None:
    folder = study(
        tmp_path / "s", runs({"random": 0.5, "x": 0.6}, 1), command="make bench DATASET=my.yaml SEEDS={seeds}"
    )
    own, elsewhere = (" ".join(shown(collect(folder, links), 200).split()) for links in (True, False))
    assert "and keeps the finished ones: make bench DATASET=my.yaml SEEDS=5 " in own and "trust" not in own
    assert "finished ones (run it only if you trust my.yaml): make bench DATASET=my.yaml SEEDS=5 " in elsewhere
    assert dict(document(collect(folder, True), analyse(collect(folder)), []).header)["command"].endswith(
        "` (run it only if you trust my.yaml)"
    )


def test_seeds_that_do_not_differ_are_nothing_to_judge_by(tmp_path: Path) -> None:
    results = paired_study(tmp_path / "s", [1e-5, -1e-5, 2e-5, -2e-5, 0.0], command=COMMAND)
    analysis = analyse(results)
    assert headline(results, analysis, SETTING) == (
        "No recipe differs from random in AUBC with 5 seeds; there is no spread between seeds to judge by."
    )
    assert next_step(results, analysis, SETTING) == ""
    assert "no spread to judge by" in meaning(results, analysis, SETTING)[0]
    sheets = document(results, analysis, []).sections[0].sheets
    (sheet,) = [sheet for sheet in sheets if sheet.title == "What these seeds can detect"]
    assert "detectable" not in sheet.columns


def test_headlines_without_a_comparison(tmp_path: Path) -> None:
    results = collect(study(tmp_path / "s", runs({"badge": 0.5, "coreset": 0.6}, 3)))
    analysis = analyse(results)
    assert headline(results, analysis, SETTING).startswith("No comparison was planned here")
    assert "see primary in alseg list fields study" in meaning(results, analysis, SETTING)[0]
    alone = collect(study(tmp_path / "a", runs({"random": 0.5}, 3)))
    assert headline(alone, analyse(alone), SETTING) == "This study has no recipe to compare with 'random'."
    short = [{"recipe": r, "seed": s, "dice": [0.5 + 0.01 * s]} for r in ("random", "coreset") for s in range(3)]
    begun = collect(study(tmp_path / "b", short))
    assert "no recipe can be compared with random in AUBC" in headline(begun, analyse(begun), SETTING)


def test_studies_that_plan_different_comparisons_have_no_planned_tests_together(tmp_path: Path) -> None:
    areas, last = ({"against": "random", "metric": metric} for metric in ("aubc", "last_dice"))
    a = study(tmp_path / "a", runs({"random": 0.5, "x": 0.6}, 3), "a", primary=areas)
    b = study(tmp_path / "b", runs({"y": 0.6}, 3), "b", primary=last)
    c = study(tmp_path / "c", runs({"z": 0.6}, 3), "c", primary=None)
    apart = collect([a, b])
    assert "different primary comparisons (aubc against random and last_dice against random)" in apart.notes[-1]
    assert set(analyse(apart).tests["test"]) == {"exploratory"}
    together = collect([a, c])
    planned = analyse(together).tests
    assert set(planned[planned["test"] == "planned"]["b"]) == {"x", "z"} and not together.notes


def test_a_class_that_networks_have_lost_is_a_warning(tmp_path: Path) -> None:
    folder = study(tmp_path / "s", runs({"random": 0.5, "coreset": 0.6}, 3))
    place = folder / "runs" / "d-coreset-mask-s0" / "rounds.jsonl"
    lines = place.read_text().splitlines()
    last = json.loads(lines[-1])
    for row in last["volumes"]:
        if row["class"] == "c1":
            row["dice"] = 0.0 if row["case"] == "v1" else None
    place.write_text("\n".join([*lines[:-1], json.dumps(last)]) + "\n")
    results = collect(folder)
    said = "1 of 12 (run, class) pairs at the last budget have Dice 0 (c1: 1 of 6 runs)"
    assert said in shown(results, 300)
    (warning,) = [line for line in document(results, analyse(results), []).warnings if said in line]
    assert warning.startswith("A network that has lost a class cannot be compared")
    clean = collect(study(tmp_path / "c", runs({"random": 0.5, "coreset": 0.6}, 3)))
    assert "Dice 0" not in shown(clean, 300)


def test_one_lost_class_in_twenty_is_no_warning() -> None:
    row = {**WHERE, "round": 1, "class": "c", "case": "v"}
    for lost, runs_ in ((1, 20), (1, 19), (2, 40), (3, 40)):
        rows = [{**row, "key": str(i), "dice": 0.0 if i < lost else 0.4} for i in range(runs_)]
        earlier = [{**row, "key": str(i), "round": 0, "dice": 0.0} for i in range(runs_)]
        assert bool(collapsed(pd.DataFrame(rows + earlier), SETTING)) == (lost / runs_ > 0.05)


def test_numbers_that_cannot_be_are_not_written() -> None:
    assert [signed(value) for value in (-0.0004, 0.0, -0.0, 0.0004, -0.0006, math.nan)] == [
        *["0.000"] * 4,
        "-0.001",
        "—",
    ]
    assert between_signed(-0.0001, 0.02) == "[0.000, +0.020]" and between(-0.0001, 1.0) == "[0.00, 1.00]"
    assert [detectable(value) for value in (0.0714, 1.0, math.inf, 0.0, math.nan)] == [
        "0.071",
        "1.000",
        "more than 1",
        "—",
        "—",
    ]
    assert (chance(0.0004), chance(0.0312)) == ("p < 0.001", "p = 0.031") and probability(math.nan) == "—"


def test_latex_of_a_hostile_name_and_its_braces(clear: tuple[Results, Analysis]) -> None:
    assert escape("a_b%&#${}~^\\<x>") == (
        r"a\_b\%\&\#\$\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}\textless{}x\textgreater{}"
    )
    text = latex(panels(*clear))
    body = re.sub(r"\\[\\{}%&#$_]", "", "\n".join(t for t in text.splitlines() if not t.startswith("%")))
    assert body.count("{") == body.count("}") and not set(body) & set("_#%")
    begun, ended = re.findall(r"\\begin\{(\w+)\}", text), re.findall(r"\\end\{(\w+)\}", text)
    assert sorted(begun) == sorted(ended) == ["table", "tabular"]
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 2 + 5 and {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {4}
    (columns,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", text)
    assert columns == "lrrrr" and text.count("midrule") == 2
    assert text.index("worse") < text.rindex("midrule") < text.index(r"oracle\_foreground")
    assert text.count(r"\textbf{") == 4 and r"better & \textbf{" in text


def test_markdown_in_the_order_of_a_reader(clear: tuple[Results, Analysis]) -> None:
    results, analysis = clear
    text = markdown(document(results, analysis, []))
    order = [
        "# s",
        "Compared here: 5 recipes; 5 seeds",
        "## Before you trust",
        "## d, mask",
        "**better beats random (+0.",
        "| better | **",
        "The study planned 3 tests",
        "### Difference from random",
        "### What these seeds can detect",
        "### Summary",
        "## Setting: d, mask",
        "## Time, memory, savings",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) >= 5
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_markdown_takes_no_markup_from_a_reason(tmp_path: Path) -> None:
    folder = study(
        tmp_path / "s",
        [
            {"recipe": "random", "seed": 0, "dice": [0.5]},
            {"recipe": "coreset", "seed": 0, "dice": [], "failure": "two\nlines <script>x</script>"},
        ],
    )
    results = collect(folder)
    text = markdown(document(results, analyse(results), []))
    assert "- failed: coreset, seed 0 (d-coreset-mask-s0): two lines &lt;script>x&lt;/script>" in text


HOSTILE = ["x[c]", "[/x]", "[bold]b", "[c](javascript:x)", "\\[c](javascript:x)", "[0.1, 0.2](javascript:x)"]
"""Names that a console or a page could take for markup."""


def hostile(folder: Path) -> Results:
    config = {"dataset.name": "d[c][/x](javascript:x)"}
    listed = [
        {
            "recipe": name,
            "seed": seed,
            "dice": [0.4, 0.5, 0.6 + 0.01 * seed],
            "key": f"{number}-{seed}",
            "config": config,
        }
        for number, name in enumerate(HOSTILE)
        for seed in (0, 1, 2)
    ]
    return collect(study(folder, listed))


def test_terminal_takes_no_markup_from_names(tmp_path: Path) -> None:
    for width in (80, 200):  # narrower ones cut the longest name
        text = shown(hostile(tmp_path / str(width)), width)
        assert all(re.search(rf"^ ?{re.escape(name)} ", text, re.MULTILINE) for name in HOSTILE)
        assert "d[c][/x](javascript:x)," in text.replace("\n", "")


def test_markdown_makes_no_links_of_names(tmp_path: Path) -> None:
    results = hostile(tmp_path / "s")
    results.notes.extend(HOSTILE)
    text = markdown(document(results, analyse(results), []))
    # a backslash takes its meaning from the sign after it, one that is escaped itself too
    assert "](" not in re.sub(r"\\\\|\\\[[^]]*\]", "", text) and "javascript" in text
    assert r"- \\\[c](javascript:x)" in text and r"- x\[c]" in text


def test_markdown_leaves_intervals_as_they_are(clear: tuple[Results, Analysis]) -> None:
    text = markdown(document(*clear, []))
    assert re.search(r"\| \[[-+]\d\.\d+, [-+]\d\.\d+\] \|", text) and "\\[" not in text


def test_pipes_within_cells() -> None:
    assert pipes(["a", "b"], [["x|y", "z"]]) == ["| a | b |", "| --- | --- |", "| x\\|y | z |"]


def test_difference_is_of_the_recipe_from_random(clear: tuple[Results, Analysis]) -> None:
    results, analysis = clear
    (section,) = document(results, analysis, []).sections
    sheet = section.sheets[0]
    first = {line.recipes[0]: line.entries for line in sheet.lines if line.budget == ""}
    assert first["better"][2].value == pytest.approx(0.3, abs=0.03)
    assert first["worse"][2].value == pytest.approx(-0.3, abs=0.03)
    for entries in first.values():  # the interval holds the difference and is not turned about
        low, high = map(float, re.findall(r"[-+]\d\.\d+", entries[3].text))
        assert low <= entries[2].value <= high
    assert "random" not in first and sheet.columns[:4] == ["recipe", "score", "difference", "95 % interval"]


def test_empty_predictions_are_counted_over_seeds(tmp_path: Path) -> None:
    folder = study(tmp_path / "s", runs({"random": 0.5, "coreset": 0.6}, 2))
    place = folder / "runs" / "d-coreset-mask-s0" / "rounds.jsonl"
    place.write_text(place.read_text().replace('"empty_predictions":0.0', '"empty_predictions":3.0'))
    results = collect(folder)
    (section,) = document(results, analyse(results), []).sections
    (sheet,) = [sheet for sheet in section.sheets if sheet.title == "Empty predictions"]
    assert {line.recipes[0]: [entry.text for entry in line.entries[1:]] for line in sheet.lines} == {
        "random": ["0 of 8", "0 of 8", "0 of 8"],  # two seeds, two volumes, two classes
        "coreset": ["3 of 8", "3 of 8", "3 of 8"],
    }
    (sheet,) = [sheet for sheet in section.sheets if sheet.title.startswith("Metrics")]
    missed = sheet.columns.index("missed")
    assert [line.entries[missed].text for line in sheet.lines] == ["3 of 8", "0 of 8"]
    counted = comparison(results).set_index(["recipe", "metric", "budget"])["mean"]
    assert (counted["coreset", "empty_predictions", "40 %"], counted["coreset", "empty_of", "40 %"]) == (1.5, 4)


@pytest.mark.parametrize(("masks", "words"), [(30.0, "30 validation slices"), (0.0, "No validation labels were read")])
def test_what_validation_cost_stands_beside_the_pool(tmp_path: Path, masks: float, words: str) -> None:
    bought = [{"who": "oracle", "what": "training labels", "slices": 1, "cost": 0.5}]
    bought += [{"who": "validation", "what": "validation masks", "slices": 30, "cost": masks}] if masks else []
    folder = tmp_path / "s"
    made = study(folder, runs({"random": 0.5, "coreset": 0.6}, 2))
    for place in (folder / "runs").glob("*/rounds.jsonl"):  # bought in the first round
        first, *others = [json.loads(line) for line in place.read_text().splitlines()]
        later = [{**line, "ledger": bought[:1]} for line in others]
        place.write_text("".join(json.dumps(line) + "\n" for line in [{**first, "ledger": bought}, *later]))
    results = collect(made)
    (section,) = document(results, analyse(results), []).sections
    assert any(words in sentence for sentence in section.sentences)
    (sheet,) = [sheet for sheet in section.sheets if sheet.title == "What the labels cost"]
    for line, slices in zip(sheet.lines, LABELLED, strict=True):
        cost = slices / 15
        values = [entry.value for entry in line.entries[1:]]
        assert values == pytest.approx([slices, cost, masks, cost + masks, 100 * masks / (cost + masks)])


def test_timing(some: Results, tmp_path: Path) -> None:
    folder = study(tmp_path / "t", [{"recipe": "coreset", "seed": 1, "dice": [0.5, 0.5]}])
    place = RunFolder(folder / "runs" / "d-coreset-mask-s1")
    place.append(record(2, {"v1": [0.5]}, seconds={"train": 4.0, "select": 0.5}))
    table = timing(collect(folder)).set_index("recipe")
    assert table["train"]["coreset"] == 2.0 and table["select"]["coreset"] == 0.5 and table["rounds"]["coreset"] == 3
    assert list(timing(some)["recipe"]) == ["random", "coreset"]
    assert table[["embed_cpu", "select_cpu"]].isna().all(axis=None)


def test_choosing_is_told_in_cpu_seconds_and_in_older_runs_in_wall_time(tmp_path: Path) -> None:
    spent = {"seconds": {"train": 9.0, "embed": 5.0, "select": 7.0}, "cpu_seconds": {"embed": 1.5, "select": 0.25}}
    read = {**spent, "signals": {"encoder": "e0"}}  # of a store that does not know what making it took
    kept = {**spent, "signals": {"encoder": "e0", "embedding_cpu_seconds": 1.4}}

    def sheet(name: str, **recipes: dict[str, Any]) -> tuple[dict[str, list[str]], str]:
        listed = [{"recipe": r, "seed": 0, "dice": [0.5, 0.5, 0.5], "rounds": more} for r, more in recipes.items()]
        results = collect(study(tmp_path / name, listed))
        (found,) = [s for s in document(results, analyse(results), []).sections[0].sheets if s.title.startswith("Time")]
        rows = [[entry.text for entry in line.entries] for line in found.lines]
        return {column: [row[i] for row in rows] for i, column in enumerate(found.columns)}, found.note

    new, note = sheet("new", random=spent, coreset=kept)
    assert new["embed (CPU s)"] == ["1.50", "1.50"] and new["select (CPU s)"] == ["0.25", "0.25"]
    assert "select (s)" not in new and new["train (s)"] == ["9.00", "9.00"] and "older" not in note
    old, note = sheet("old", random={"seconds": spent["seconds"]}, coreset=read, badge=spent)
    assert old["embed (CPU s)"] == ["—", "—", "1.50"] and old["select (CPU s)"] == ["—", "0.25", "0.25"]
    assert (
        old["select (s)"] == ["7.00"] * 3 and "not known for random, coreset, whose runs or encoders are older" in note
    )


def test_csv_holds_every_column(some: Results) -> None:
    rows = list(csv.DictReader(io.StringIO(comparison(some).to_csv(index=False))))
    assert {"dataset", "annotation", "recipe", "budget", "labelled", "cost", "metric", "mean", "sd", "seeds"} <= set(
        rows[0]
    )
    assert len(BUDGETS) == len({row["budget"] for row in rows if row["metric"] == "dice"})
