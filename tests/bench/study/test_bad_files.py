"""Files and command lines that cannot be used: one clear error wherever they are named."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from alseg_core.__main__ import main as core
from alseg_core.config import RunConfig
from alseg_core.errors import ConfigError
from bench.cli import main
from bench.study import Study
from bench.tuning.spec import Tuning
from tests.bench.study.loading import load_study

KINDS: dict[str, Callable[[Path], object]] = {
    "study": lambda path: Study.find(str(path)),
    "dataset": lambda path: load_study(f"datasets={path}"),
    "recipe": lambda path: load_study(f"recipes={path}"),
    "tuning": lambda path: Tuning.find(str(path)),
    "run": RunConfig.read,
}
"""Kind of file -> what reads it."""

FILES: dict[bytes, str] = {
    b"": "must hold a mapping",
    b"- a\n": "must hold a mapping",
    b"text\n": "must hold a mapping",
    b"name: a\nname: b\n": "'name' is given twice, first in line 1",
    b"name: a\n---\nname: b\n": "one document is wanted",
    b"name: [\n": "no valid YAML",
    b"\tname: a\n": "not tabs",
    b"name: \xff\n": "no text in UTF-8",
    b"name: a\x00\n": "no valid YAML",
    b"name: !!python/name:os.system\n": "tags",
    b"name: &a [*a]\n": "contains itself",
    b"name: " + b"[" * 200: "nested deeper",
    b"name: x\nnothing_of_the_kind: 3\n": "unknown field 'nothing_of_the_kind'",
    b"name: x\n1: 3\n": "unknown field '1'",
    b"name: x\n? {a: b}\n: 3\n": "a key must be a word",
}
"""Content -> part of the message."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("content", "message"), FILES.items())
def test_a_broken_file_of_any_kind_is_named(kind: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        KINDS[kind](path)
    assert message in str(caught.value) and len(str(caught.value)) < 2000


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_stops_no_command(kind: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    for name, message in (("pipe", "no regular file"), ("folder", "Is a directory"), ("absent", "No such file")):
        with pytest.raises(ConfigError) as caught:
            KINDS[kind](tmp_path / f"{name}.yaml")
        assert f"{name}.yaml cannot be read: " in str(caught.value) and message in str(caught.value)


COMMANDS: list[tuple[list[str], str]] = [
    (["bench", "--out", "FILE"], "'FILE' is a file"),
    (["bench", "--out", "FILE/below"], "below/quick cannot be written (Not a directory)"),
    (["bench", "--out", ""], "'--out': the path of a folder was wanted, got ''"),
    (["bench", "--set"], "--set"),
    (["bench", "--set", "seeds"], "--set wants KEY=VALUE, got 'seeds'"),
    (["bench", "--set", "name=store"], "a name that the program uses itself"),
    (["bench", "--set", "train.mask.lr=.inf"], "lr: a finite number was wanted, got inf"),
    (["bench", "--set", "seeds=99999999999999999999"], "at most 10000 seeds"),
    (["bench", "--seeds", "3"], "No such option"),
    (["bench", "quick", "paper"], "unexpected extra argument"),
    (["bench", "FILE"], "FILE.yaml must hold a mapping"),
    (["bench", "../quick"], "unknown study"),
    (["bench", ""], "unknown study ''"),
    (["bench", "--launcher", "rai"], "Did you mean 'ray'?"),
    (["bench", "--launcher", ""], "unknown launcher ''"),
    (["bench", "--local", "--launcher", "ray"], "drop one"),
    (["tune", "--set", "trials=-1"], "trials: Input should be greater than or equal to 1"),
    (["tune", "--set", "trials=1.5"], "trials: a whole number was wanted, got 1.5"),
    (["tune", "--set", "trials"], "--set wants KEY=VALUE, got 'trials'"),
    (["tune", "--set", "name=report"], "a name that the program uses itself"),
    (["tune", "--out", "FILE"], "'FILE' is a file"),
    (["tune", "--recipes-to", "FILE"], "'FILE' is a file"),
    (["tune", "typiclus"], "Did you mean 'typiclust'?"),
    (["tune", "FILE.yaml"], "must hold a mapping"),
    (["run"], "Missing argument"),
    (["run", "FILE.yaml"], "must hold a mapping"),
    (["run", "absent.yaml"], "absent.yaml cannot be read: No such file"),
    (["run", "."], "cannot be read: Is a directory"),
    (["run", "RUN.yaml", "--out", "FILE"], "'FILE' is a file"),
    (["run", "RUN.yaml", "--out", "FILE/below"], "cannot be written (Not a directory)"),
    (["list", "studys"], "studys"),
    (["list", "recipes", "randm"], "Did you mean 'random'?"),
    (["list", "recipes", "FILE.yaml"], "must hold a mapping"),
    (["list", "datasets", "BAD.yaml"], "unknown field 'x'"),
    (["list", "recipes", "BAD.yaml"], "unknown field 'x'"),
    (["list", "studies", "BAD.yaml"], "unknown field 'x'"),
    (["list", "fields", "studdy"], "Did you mean 'study'?"),
    (["list", "fields", ":"], "module:Class"),
    (["list", "strategies", "randm"], "Did you mean 'random'?"),
    (["list", "launchers", "ray", "x"], "unexpected extra argument"),
    (["report", "absent"], "absent"),
    (["report", "FILE"], "FILE"),
    (["report", ".", "--out", "FILE"], "'FILE' is a file"),
    (["store", "show", "--out", "FILE"], "'FILE' is a file"),
    (["store", "clean", "--max-gb", "-1"], "--max-gb"),
    (["data", "check", "BAD.yaml"], "unknown field 'x'"),
    (["data", "info", "BAD.yaml"], "unknown field 'x'"),
    (["data", "fetch", "BAD.yaml"], "unknown field 'x'"),
    (["data", "groups", "BAD.yaml"], "unknown field 'x'"),
    (["embed", "check", "BAD.yaml"], "unknown field 'x'"),
    (["embed", "check", "--set", "seeds=.inf"], "seeds"),
]
"""A command line in a folder with FILE, FILE.yaml, BAD.yaml and RUN.yaml -> part of the message."""


@pytest.mark.parametrize(
    ("words", "message"), COMMANDS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_command_line_that_cannot_be_used_is_one_message(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("FILE", ""), ("FILE.yaml", "[]"), ("BAD.yaml", "x: 3"), ("RUN.yaml", RUN)):
        Path(name).write_text(text)
    before = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 2 and message in " ".join(result.stderr.split())
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == before


RUN = """
dataset:
  name: tiny
  reader: {name: phantom, patients: 6, size: 48}
  classes: [background, wall, cavity, nodule]
  prepare: {size: 16}
  split: {name: stratified, train: 0.5, val: 0.25, test: 0.25}
recipe: {name: random, strategy: random}
annotation: mask
budgets: [3]
train: {network: {name: unet, widths: [4, 8], dropouts: [0, 0]}, loss: ce_dice, iterations_full: 10}
"""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.yaml"], "cannot be read"),
        (["RUN.yaml", "--out", "FILE"], "FILE cannot be made a folder"),
        (["FILE"], "must hold a mapping"),
    ],
)
def test_the_core_alone_says_it_too(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["alseg_core", *words])
    Path("FILE").write_text("")
    Path("RUN.yaml").write_text(RUN)
    assert core() == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and message in said
