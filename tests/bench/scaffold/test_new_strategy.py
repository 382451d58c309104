"""``alseg new strategy``: what it writes passes every check as it is, and its commands work as printed."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bench.cli import main
from bench.scaffold.commands import bench_command

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def call(command: list[str], folder: Path) -> str:
    """Run a command in a folder; return what it prints."""
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder with a new strategy, and the lines that the command printed."""
    folder = tmp_path_factory.mktemp("own")
    command = [sys.executable, "-m", "bench.cli", "new", "strategy", "lowest_slices"]
    return folder, call(command, folder).splitlines()


@pytest.mark.slow
def test_the_files_pass_the_linter_and_the_type_checker(started: tuple[Path, list[str]]) -> None:
    folder, _ = started
    files = ["lowest_slices.py", "test_lowest_slices.py"]
    settings = ["--config", str(ROOT / "pyproject.toml"), "--config", f'src=["{folder}", "{ROOT}"]', "--no-cache"]
    call([program("ruff"), "check", *settings, *files], folder)
    call([program("ruff"), "format", "--check", *settings, *files], folder)
    call([program("mypy"), "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", os.devnull, *files], folder)


def test_the_strategy_passes_the_conformance_suite_by_the_printed_command(started: tuple[Path, list[str]]) -> None:
    folder, lines = started
    (line,) = [line for line in lines if "pytest" in line]
    assert re.search(r"^\d+ passed", call([*shlex.split(line, comments=True), "-p", "no:cacheprovider"], folder), re.M)


@pytest.mark.slow
def test_the_recipe_is_compared_with_random_by_the_printed_command(
    started: tuple[Path, list[str]], study_file: Path, tmp_path: Path
) -> None:
    folder, lines = started
    (line,) = [line for line in lines if "bench quick" in line]
    words = shlex.split(line, comments=True)
    study = yaml.safe_load(study_file.read_text())
    study_file.write_text(yaml.safe_dump({**study, "name": "quick"}))
    words[words.index("quick")] = str(study_file)  # the same command on data of a second
    printed = call([*words, "--local", "--out", str(tmp_path / "out")], folder)
    assert re.search(r"^ *lowest_slices ", printed, re.MULTILINE), printed
    (records,) = (tmp_path / "out/lowest_slices/runs").glob("*-lowest_slices-*/rounds.jsonl")
    rounds = [json.loads(line) for line in records.read_text().splitlines()]
    assert [record["labelled"] for record in rounds] == [3, 6, 8]


def test_in_a_checkout_the_command_is_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert bench_command("mid", recipes="random mid.yaml") == 'make bench RECIPES="random mid.yaml" SET="name=mid"'
    command = bench_command("quick-mine", datasets="mine.yaml", data="/my scans")
    done = subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, capture_output=True, text=True)
    assert '--set datasets="mine.yaml"' in done.stdout and '--set data="/my scans"' in done.stdout


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Middle", "named as a Python module: small letters"),
        ("../middle", "named as a Python module"),
        ("class", "named as a Python module"),
        ("a" * 41, "at most 40 characters"),
        ("entropy", "a strategy that comes with the program has this name"),
        ("clumped", "a recipe that comes with the program has this name"),
        ("json", "a Python module has this name"),
        ("runs", "the program uses this name itself"),
        ("oracle_mine", "references that read ground truth"),
        ("view", "its class would be View"),
    ],
)
def test_bad_names_are_refused_and_nothing_is_written(
    name: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["new", "strategy", name], catch_exceptions=False)
    assert result.exit_code == 2 and result.stderr.startswith("error: ") and why in result.stderr
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("precious")
    result = CliRunner().invoke(main, ["new", "strategy", "mine"], catch_exceptions=False)
    assert result.exit_code == 2 and "error: mine.yaml exists already" in result.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]
