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
from rich.console import Console

from alseg_core.metrics.curve import aubc
from alseg_core.results import RunFolder
from bench.report.analysis import AREAS, CELLS, TESTS, Analysis, analyse
from bench.report.document import document
from bench.report.markdown import markdown, pipes
from bench.report.runs.results import Results, collect
from bench.report.tables import Panel, comparison, latex, panels, terminal, timing
from bench.report.tables.interpretation import meaning, verdict
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
    levels = {"random": 0.6, "like_random": 0.602, "better": 0.9, "worse": 0.3, "oracle_foreground": 0.95}
    results = collect(study(tmp_path_factory.mktemp("clear") / "s", runs(levels, 5)))
    return results, analyse(results)


def shown(results: Results, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), record=True, force_terminal=True)
    console.print(terminal(results))
    return console.export_text()


def analysis_of(cells: list[dict[str, Any]], areas: list[dict[str, Any]], tests: list[dict[str, Any]]) -> Analysis:
    """Made by hand; fields that are not given are arbitrary."""
    fill = {
        "labelled": 10,
        "cost": 1.0,
        "fraction": 0.1,
        "sd": 0.01,
        "low": 0.1,
        "high": 0.9,
        "interval": "",
        "volumes": 2,
        "cover_radius": 1.0,
        "best": False,
        "tied": False,
        "axis": "slices",
    }
    frames = [
        pd.DataFrame([{**WHERE, **fill, **row} for row in rows], columns=columns)
        for rows, columns in ((cells, CELLS), (areas, AREAS), (tests, TESTS))
    ]
    nothing = pd.DataFrame(columns=list(WHERE))
    return Analysis(frames[0], frames[1], frames[2], nothing, nothing, nothing)


def by_hand(areas: dict[str, tuple[float, int]], tests: list[tuple[str, str, float, float, int]]) -> Panel:
    """Panel of areas recipe -> (mean, seeds) and tests (a, b, difference, corrected p, seeds)."""
    empty = pd.DataFrame()
    results = Results("s", empty, empty, empty, list(areas), {}, [], {}, {}, {})
    cells = [{"recipe": r, "round": 0, "budget": "10 %", "mean": m, "seeds": n} for r, (m, n) in areas.items()]
    rows = [{"recipe": r, "mean": m, "seeds": n} for r, (m, n) in areas.items()]
    pairs = [
        {"round": -1, "budget": "AUBC", "a": a, "b": b, "difference": d, "p": p, "p_holm": p, "seeds": n}
        for a, b, d, p, n in tests
    ]
    (panel,) = panels(results, analysis_of(cells, rows, pairs))
    return panel


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
    assert [row.recipe for row in panel.rows][:2] == ["oracle_foreground", "better"]
    assert panel.rows[0].label == "oracle_foreground (reads ground truth)" and panel.rows[0].reference
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


def test_marks_of_areas_by_hand() -> None:
    panel = by_hand(
        {"a": (0.8, 5), "b": (0.79, 5), "c": (0.6, 5), "d": (0.7, 2), "oracle_x": (0.9, 5)},
        [
            ("a", "b", 0.01, 0.7, 5),
            ("a", "c", 0.2, 0.01, 5),
            ("d", "a", -0.1, 0.9, 2),
            ("b", "c", 0.1, 0.9, 5),
            ("a", "oracle_x", -0.1, math.nan, 5),
        ],
    )
    # d was tested with two seeds only; the reference neither leads nor ties
    assert marks(panel) == {"a": "best", "b": "tied", "c": "", "d": "", "oracle_x": ""}


def test_a_recipe_with_fewer_seeds_does_not_lead() -> None:
    panel = by_hand({"lucky": (0.95, 1), "a": (0.8, 5), "b": (0.7, 5)}, [("a", "b", 0.1, 0.2, 5)])
    assert marks(panel) == {"lucky": "", "a": "best", "b": "tied"}
    assert [row.seeds for row in panel.rows] == ["1", "5", "5"]


def test_nothing_is_underlined_with_two_seeds() -> None:
    assert marks(by_hand({"a": (0.8, 2), "b": (0.79, 2)}, [("a", "b", 0.01, 0.9, 2)])) == {"a": "best", "b": ""}


def test_terminal_takes_the_form_that_fits(clear: tuple[Results, Analysis]) -> None:
    results, _ = clear
    wide, middle, narrow, tiny = (shown(results, width) for width in (140, 80, 55, 36))
    assert "95 %" in wide and re.search(r"better +(0\.\d{3} ± 0\.\d{3} +){4}\[", wide)
    assert "95 %" not in middle and re.search(r"better +(0\.\d{3} ± 0\.\d{3}\s+){4}", middle)
    assert re.search(r"better +(0\.\d{3}\s+){4}", narrow) and "(10)" in narrow
    assert re.search(r"better +(0\.\d{3}\s+){2}", tiny) and "40 %" in tiny and "20 %" not in tiny
    for text, width in ((wide, 140), (middle, 80), (narrow, 55), (tiny, 36)):
        assert "oracle_foreground" in text and max(map(len, text.splitlines())) <= width
    assert "over 5 seed(s): d, mask" in wide


def test_terminal_marks(clear: tuple[Results, Analysis]) -> None:
    console = Console(width=140, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(terminal(clear[0]))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    (line,) = [line for line in text.splitlines() if " better " in line.replace("\x1b[", " \x1b[")]
    assert line.count("\x1b[1m") == 4  # three budgets and the area


def test_terminal_tells_what_is_missing(some: Results) -> None:
    text = shown(some, 160)
    assert "failed: d-coreset-mask-s1: out of luck" in text and "not finished: d-oracle_foreground-mask-s0" in text
    assert "smallest true difference" in text or "cannot be tested" in text


def test_verdict_in_words(clear: tuple[Results, Analysis]) -> None:
    _, analysis = clear
    power = analysis.power[(analysis.power["round"] == -1) & ~analysis.power["recipe"].str.startswith("oracle")]
    said = re.search(r"With 5 seeds, the smallest true difference .*? about ([\d.]+) Dice", verdict(analysis, SETTING))
    assert said is not None and float(said[1]) == pytest.approx(power["detectable"].median(), abs=0.0006)
    lines = meaning(analysis, SETTING)
    assert "2 of 3 recipes differ significantly from random in AUBC" in lines[1]
    assert re.search(r"Better: better \(\+0\.\d+\); Worse: worse \(-0\.\d+\)\.", lines[1])
    assert "To detect a difference of 0.02 Dice" in lines[2]


def test_verdict_tells_both_levels_and_calls_no_finding_nothing(tmp_path: Path) -> None:
    """With three seeds a difference of 2.8 sd is significant, and smaller than the smallest that is found reliably."""
    base = [0.5, 0.55, 0.6]
    ahead = [0.046 + noise for noise in (-0.0165, 0.0, 0.0165)]
    study_runs = [
        {"recipe": recipe, "seed": seed, "dice": (level + STEPS).tolist()}
        for recipe, levels in (("random", base), ("ahead", np.add(base, ahead)))
        for seed, level in enumerate(levels)
    ]
    analysis = analyse(collect(study(tmp_path / "s", study_runs)))
    row = analysis.power[analysis.power["round"] == -1].iloc[0]
    test = analysis.tests[analysis.tests["round"] == -1].iloc[0]
    assert test["p_holm"] < 0.05 and row["detectable"] > row["difference"]
    lines = meaning(analysis, SETTING)
    assert "mean nothing" not in " ".join(lines) and "smaller true differences are likely to be missed" in lines[0]
    assert "1 of 1 recipe differs significantly from random" in lines[1]


def test_verdict_after_the_correction(clear: tuple[Results, Analysis]) -> None:
    _, analysis = clear
    own = analysis.power[(analysis.power["round"] == -1) & ~analysis.power["recipe"].str.startswith("oracle")]
    said = re.search(r"and ([\d.]+) .*after correction for the 6 comparisons", verdict(analysis, SETTING))
    assert said is not None and float(said[1]) == pytest.approx(own["detectable_holm"].median(), abs=0.0006)
    assert (own["detectable_holm"] > 1.3 * own["detectable"]).all()


def test_verdict_of_one_seed(tmp_path: Path) -> None:
    results = collect(study(tmp_path / "s", runs({"random": 0.5, "coreset": 0.6}, 1)))
    (line,) = meaning(analyse(results), SETTING)
    assert line.startswith("With one seed, differences between recipes cannot be tested")
    (panel,) = panels(results, analyse(results))
    assert panel.rows[0].cells[0] is not None and "±" not in panel.rows[0].cells[0].text


def test_verdict_without_random(tmp_path: Path) -> None:
    results = collect(study(tmp_path / "s", runs({"badge": 0.5, "coreset": 0.6}, 2)))
    assert "'random' is not in this study" in verdict(analyse(results), SETTING)


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
        "| better | **",
        "With 5 seeds, the smallest",
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
    assert "- failed: d-coreset-mask-s0: two lines &lt;script>x&lt;/script>" in text


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
    assert "random" not in first and sheet.columns[:4] == ["recipe", "budget", "difference", "95 % interval"]


def test_empty_predictions_are_counted_over_seeds(tmp_path: Path) -> None:
    folder = study(tmp_path / "s", runs({"random": 0.5, "coreset": 0.6}, 2))
    place = folder / "runs" / "d-coreset-mask-s0" / "rounds.jsonl"
    place.write_text(place.read_text().replace('"empty_predictions":0.0', '"empty_predictions":3.0'))
    results = collect(folder)
    (section,) = document(results, analyse(results), []).sections
    (sheet,) = [sheet for sheet in section.sheets if sheet.title == "Empty predictions"]
    assert {line.recipes[0]: [entry.text for entry in line.entries[1:]] for line in sheet.lines} == {
        "random": ["0", "0", "0"],
        "coreset": ["3", "3", "3"],
    }


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


def test_csv_holds_every_column(some: Results) -> None:
    rows = list(csv.DictReader(io.StringIO(comparison(some).to_csv(index=False))))
    assert {"dataset", "annotation", "recipe", "budget", "labelled", "cost", "metric", "mean", "sd", "seeds"} <= set(
        rows[0]
    )
    assert len(BUDGETS) == len({row["budget"] for row in rows if row["metric"] == "dice"})
