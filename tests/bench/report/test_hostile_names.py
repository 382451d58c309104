"""Names from elsewhere: they are shown as text in every format, and act nowhere."""

from __future__ import annotations

import csv
import json
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from alseg_core.visible import visible
from bench.cli import main
from bench.report.output import write_csv
from tests.bench.report.hostile import examples
from tests.bench.report.study_files import study

TEXTS = {
    "plain, with signs: é – µ 中文": "plain, with signs: é – µ 中文",
    "\x1b[31mred\x1b[0m": "\\x1b[31mred\\x1b[0m",
    "\x9b31m": "\\x9b31m",
    "a\tb\r\nc": "a b  c",
    "bell\x07 back\x08 nul\x00 del\x7f": "bell\\x07 back\\x08 nul\\x00 del\\x7f",
    "user\u202efdp.exe": "user\\u202efdp.exe",
    "\u2066a\u2069\u200b\ufeff": "\\u2066a\\u2069\\u200b\\ufeff",
    "half \ud800": "half \\ud800",
    "\u2028\u2029": "\\u2028\\u2029",
    "a\u00a0b": "a\u00a0b",
}


@pytest.mark.parametrize("text", TEXTS)
def test_control_characters_are_written_out(text: str) -> None:
    assert visible(text) == TEXTS[text]


def test_a_text_without_end_is_cut() -> None:
    assert visible("a" * 10**6, 5) == "aaaaa… (1,000,000 characters)"


SCRIPT = '<script>alert("1")</script>'
EVIL = f"=cmd()|{SCRIPT}[x](javascript:1)\x1b]0;t\x07\u202e$\\frac{{$%_&#\n[red]"


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Report folder of a study whose names are all hostile, and what the command printed."""
    metric = {"name": f"m{EVIL}", "title": f"T{EVIL}", "unit": f"u{EVIL}", "meaning": EVIL}
    place = {"device": EVIL, "packages": {EVIL: EVIL, "torch": EVIL}, "alseg": EVIL, "metrics": [metric]}
    config = {"dataset.name": EVIL, "annotation": {"name": EVIL}, "schedule": EVIL, "dataset.classes": [EVIL] * 3}
    shared = {"config": config, "environment": place, "dice": [0.5, 0.6, 0.7], "seed": 0}
    folder = study(
        tmp_path_factory.mktemp("evil") / "s",
        [
            {"recipe": EVIL, "key": "a", **shared},
            {"recipe": "+1+1", "key": "b", **shared},
            {"recipe": "random", "key": "c", **shared, "dice": [0.5], "failure": f"{EVIL}{'x' * 5000}"},
        ],
        EVIL,
        sources={EVIL: EVIL},
        command=EVIL,
    )
    for path in folder.glob("runs/*/rounds.jsonl"):
        rounds = [json.loads(line) for line in path.read_text().splitlines()]
        for one in rounds:
            one |= {
                "seconds": {EVIL: 1.0, "select": 1.0},
                "cpu_seconds": {EVIL: 1.0},
                "signals": {"init": EVIL, "labels": EVIL, "encoder": EVIL},
            }
            one["summary"] |= {f"dice_{EVIL}": 0.5}
            for row in one["volumes"]:
                row |= {"case": f"{row['case']}{EVIL}", "class": f"c{EVIL}", "patient": EVIL, metric["name"]: 1.0}
        path.write_text("".join(json.dumps(one) + "\n" for one in rounds))
    examples(folder / "runs" / "a" / "examples.npz", case=np.array([f"v1{EVIL}", f"v2{EVIL}"]))
    done = CliRunner().invoke(main, ["report", str(folder)], catch_exceptions=False)
    assert done.exit_code == 0
    return folder / "report", done.output


def acts(text: str) -> set[str]:
    return {sign for sign in text if unicodedata.category(sign) in ("Cc", "Cf", "Cs") and sign != "\n"}


def test_no_control_character_reaches_the_terminal_or_a_file(evil: tuple[Path, str]) -> None:
    written_to, output = evil
    assert acts(output) == set() and "\\x1b]0;t\\x07" in output and "[red]" in output
    for path in written_to.iterdir():
        if path.suffix not in (".png", ".pdf"):
            assert acts(path.read_text()) == set(), path.name


def test_markup_is_text_in_every_format(evil: tuple[Path, str]) -> None:
    page, notes, paper = (next(evil[0].glob(name)).read_text() for name in ("*.html", "*.md", "*.tex"))
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page and page.count("<script>") == 1
    assert "<script" not in notes and not any(
        "](javascript" in line.replace("\\[x](", "") for line in notes.split("\n")
    )
    tables = [line for line in notes.split("\n") if line.startswith("| ")]
    assert tables and all(line.count("|") - line.count("\\|") > 2 for line in tables)
    assert r"\textless{}script\textgreater{}" in paper and r"\$\textbackslash{}frac\{\$\%\_\&\#" in paper


def test_figures_draw_names_as_they_are(evil: tuple[Path, str]) -> None:
    assert (evil[0] / "curves.png").exists() and "Figures that failed" not in (evil[0] / "report.html").read_text()


def test_no_cell_of_a_table_is_a_formula_and_numbers_stay_numbers(evil: tuple[Path, str]) -> None:
    cells = []
    for path in evil[0].glob("*.csv"):
        with path.open(newline="") as file:
            cells += [cell for row in csv.reader(file) for cell in row if cell]
    for cell in cells:
        if cell[0] in "=+-@":
            float(cell)
    assert "'+1+1" in cells and any(cell.startswith("'=cmd()") for cell in cells)


def test_a_table_for_spreadsheets(tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-2.5", "@x", "-x", "a=b", "'", "", "-inf"]
    numbers = np.linspace(-1, 1, len(texts))
    write_csv(tmp_path / "t.csv", pd.DataFrame({"=h": texts, "n": numbers, "mixed": [-1, None, "=x", *"abcdef"]}))
    with (tmp_path / "t.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["'=h", "n", "mixed"]
    assert [row[0] for row in rows] == ["'=1+1", "+1", "-2.5", "'@x", "'-x", "a=b", "'", "", "-inf"]
    assert [float(row[1]) for row in rows] == numbers.tolist() and [row[2] for row in rows[:3]] == ["-1", "", "'=x"]


def test_an_error_shows_control_characters_and_keeps_its_lines(tmp_path: Path) -> None:
    (tmp_path / "\x1b[31m").mkdir()
    (tmp_path / "\x1b[31m" / "config.json").write_text("{}")
    done = CliRunner().invoke(main, ["report", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 2 and "\\x1b[31m/config.json is damaged" in done.output and "\x1b" not in done.output
