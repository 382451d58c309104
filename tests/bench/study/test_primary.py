"""The primary comparison of a study, and the command that gives it more seeds."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from alseg_core.errors import ConfigError
from bench.study import Primary, Study
from bench.study.rerun import recorded, with_seeds

PLAIN: dict[str, Any] = {"name": "s", "datasets": ["phantom"], "recipes": ["random", "coreset", "oracle_foreground"]}


def test_aubc_against_random_is_planned_unless_another_is_declared() -> None:
    assert Study.load(PLAIN).planned() == Primary(against="random", metric="aubc")
    assert Study.load({**PLAIN, "recipes": ["coreset"]}).planned() is None
    declared = Study.load(PLAIN, ["primary.against=coreset", "primary.metric=last_dice"])
    assert declared.planned() == Primary(against="coreset", metric="last_dice")


@pytest.mark.parametrize(
    ("primary", "said"),
    [
        ({"against": "corest"}, "Did you mean 'coreset'"),
        ({"against": "entropy"}, "of the study in primary.against"),
        ({"against": "oracle_foreground"}, "reads no ground truth"),
    ],
)
def test_a_primary_comparison_that_cannot_be_is_refused_before_any_run(primary: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Study.load({**PLAIN, "primary": primary}).runs()


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ConfigError, match="primary"):
        Study.load({**PLAIN, "primary": {"metric": "hd95"}})


def test_the_primary_comparison_does_not_change_runs() -> None:
    keys = [[run.fingerprint for run in Study.load(PLAIN, more).runs()] for more in ([], ["primary.metric=last_dice"])]
    assert keys[0] == keys[1]


def test_a_command_holds_everything_but_the_seeds() -> None:
    settings = ["name=my study", "seeds=2", "schedules.low=[10,20]"]
    command = recorded("quick", settings, Path("runs"), "local")
    assert shlex.split(with_seeds(command, [0, 1], 5)) == [
        *["alseg", "bench", "quick", "--set", "name=my study", "--set", "schedules.low=[10,20]"],
        *["--launcher", "local", "--out", "runs", "--set", "seeds=5"],
    ]
    typed = recorded("quick", settings, Path("runs"), None, "make bench DATASET=acdc")
    assert with_seeds(typed, [0, 1], 5) == "make bench DATASET=acdc SEEDS=5"


@pytest.mark.parametrize(
    ("present", "seeds"),
    [([], (0, 1, 2)), ([0, 1], (0, 1, 2)), ([7], (7, 0, 1)), ([2, 0], (0, 1, 2)), ([4, 5, 6], (4, 5, 6))],
)
def test_the_seeds_that_there_are_stay(present: list[int], seeds: tuple[int, ...]) -> None:
    command = shlex.split(with_seeds(recorded("quick", [], Path("runs"), None), present, 3))
    study = Study.load(PLAIN, [command[-1]])
    assert study.seeds == seeds
