"""Settings that change nothing are said, those that do are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.planning.ineffective import ineffective
from bench.planning.stopwatch import Relative
from bench.planning.workload import Workload, plans_of
from bench.study import Study

FEW = "recipes=[{name: few, like: random, train: {iterations_least: 50}}]"
OWN = "recipes=[{name: own, like: random, train: {iterations_full: 90}}]"
FULL = "train.scribble.iterations_full=70"
FEWEST = (
    f"{FULL} changes nothing: every round trains the fewest steps, 50. Set train.scribble.iterations_least as well."
)
OWN_ALL = f"{FULL} changes nothing: every recipe has its own."
EPOCHS = f"{FULL} changes nothing: train.scribble.epochs is set. Set train.scribble.epochs=null as well."
SEVERAL = (
    "recipes=[{name: few, like: random, train: {iterations_least: 50}}, {name: own, like: strided, train: "
    "{iterations_full: 90}}, {name: fewer, like: random, train: {iterations_least: 40}}]"
)
FEWEST_OF_SEVERAL = FEWEST.replace("50", "40 or 50") + " Other recipes have their own number: own."


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ([FULL], []),
        ([FULL, FEW], [FEWEST]),
        (["train.scribble={iterations_full: 70, iterations_least: 50}"], []),
        (["train.scribble.iterations_full=2000", FEW], []),
        ([FULL, OWN], [OWN_ALL]),
        (["train.scribble.iterations_full=90", OWN], []),
        ([FULL, SEVERAL], [FEWEST_OF_SEVERAL]),
        ([FULL, "recipes=[random, {name: few, like: random, train: {iterations_least: 50}}]"], []),
        ([FULL, "recipes=[{name: by_epochs, like: random, train: {epochs: 2}}]"], [EPOCHS]),
    ],
)
def test_ineffective(study_file: Path, tmp_path: Path, settings: list[str], said: list[str]) -> None:
    study = Study.find(str(study_file), settings)
    configs = study.runs()
    assert list(ineffective(study, configs, plans_of(configs, tmp_path / "store", lambda *_: None))) == said


def test_a_forecast_warns_of_it(study_file: Path, tmp_path: Path) -> None:
    workload = Workload.of(Study.find(str(study_file), [FULL, FEW]), tmp_path / "out")
    assert workload.prepare(Relative(), 1, lambda *_: None).warnings == (FEWEST,)
