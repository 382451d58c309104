"""Commands in messages work as they are printed."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.study.typeable import COMMANDS, typeable, words_of_make

OWN = Path(sysconfig.get_path("scripts"))


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PATH finds no program of this environment, and the current folder does not hold it."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)


def test_every_command_is_known() -> None:
    assert set(main.commands) <= set(COMMANDS)


def test_a_program_on_the_path_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(OWN))
    text = "see alseg list fields, or mlflow ui --port 1"
    assert typeable(text) == text


@pytest.mark.usefixtures("elsewhere")
def test_a_program_that_is_not_on_the_path_is_called_by_its_own() -> None:
    text = "then: alseg data check x; and mlflow ui, but alseg_core, alseg and data/alseg list stay"
    told = f"then: {OWN}/alseg data check x; and {OWN}/mlflow ui, but alseg_core, alseg and data/alseg list stay"
    assert typeable(text) == told == typeable(told)


@pytest.mark.usefixtures("elsewhere")
def test_the_path_is_from_the_current_folder_where_that_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(OWN.parents[1])
    assert typeable("alseg report x") == f"{OWN.relative_to(OWN.parents[1])}/alseg report x"


@pytest.mark.usefixtures("elsewhere")
def test_a_program_of_the_same_name_that_is_another_is_not_meant(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "alseg").write_text("#!/bin/sh\n")
    (tmp_path / "alseg").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert typeable("alseg run x.yaml") == f"{OWN}/alseg run x.yaml"


@pytest.mark.usefixtures("elsewhere")
def test_errors_of_a_command_name_the_path_of_the_program() -> None:
    result = CliRunner().invoke(main, ["data", "check", "chaos"])
    assert result.exit_code == 2 and f"{OWN}/alseg data fetch chaos" in result.stderr


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (
            "give it: --set data=FOLDER (--set data.acdc=FOLDER else).",
            'give it: DATA=FOLDER (SET="data.acdc=FOLDER" else).',
        ),
        ("works: --set annotations=mask.", "works: ANNOTATION=mask."),
        ("one: --set settings.annotations=scribble", "one: ANNOTATION=scribble"),
        ("--set schedules.mine=[0.1,0.2] (shares)", 'SET="schedules.mine=[0.1,0.2]" (shares)'),
        ("--set resources.gpus=1 --set resources.cpus=2", 'SET="resources.gpus=1 resources.cpus=2"'),
        ("--set takes key=value, got --set", "SET takes key=value, got SET"),
        ("choose another with --out.", "choose another with OUT=."),
        ("name it with --out FOLDER.", "name it with OUT=FOLDER."),
        ("try --launcher local, --local or --estimate", "try LAUNCHER=local, LOCAL=1 or ESTIMATE=1"),
        ("--no-download was given", "DOWNLOAD=0 was given"),
        ("--set 'annotations={name: scribble}'", "--set 'annotations={name: scribble}'"),
        ("run make bench OUT=x; alseg report a --out b", "run make bench OUT=x; alseg report a --out b"),
        ("make room or --out /x/y.", "make room or OUT=/x/y."),
        ("see alseg list fields study. Use --set members=2", 'see alseg list fields study. Use SET="members=2"'),
        ("--launcher mine:Local was given", "LAUNCHER=mine:Local was given"),
    ],
)
def test_make_is_advised_its_own_variables(options: str, variables: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(OWN))
    assert typeable(options) == options
    with words_of_make():
        assert typeable(options) == variables == typeable(variables)
    assert typeable(options) == options


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ([], "Did you mean --set train.mask.lr=0.1?"),
        (["--typed", "make bench SET=train.lr=0.1"], 'Did you mean SET="train.mask.lr=0.1"?'),
    ],
)
def test_messages_speak_as_the_command_that_was_typed(typed: list[str], advice: str, tmp_path: Path) -> None:
    command = ["bench", "quick", "--set", "train.lr=0.1", "--out", str(tmp_path), *typed]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2 and advice in result.stderr
