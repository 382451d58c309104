"""Controls of a study: what they may name, and the study that comes with the program."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from alseg_core.errors import ConfigError
from bench.study import Study

ROOT = Path(__file__).parents[3]
RAW = {"name": "s", "datasets": ["phantom"], "recipes": ["random", "clumped", "oracle_foreground"]}


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ({"above": ["oracle_foregrund"]}, "Did you mean 'oracle_foreground'"),
        ({"below": ["strided"]}, "unknown recipe 'strided' of the study in controls"),
        ({"below": ["random"]}, "'random' is what controls are compared with"),
        ({"above": ["clumped"], "below": ["clumped"]}, "'clumped' is listed twice"),
        ({}, "at least one recipe is needed"),
        ({"over": ["clumped"]}, "over"),
    ],
)
def test_what_controls_may_name(controls: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Study.load({**RAW, "controls": controls}).runs()


def test_controls_need_random() -> None:
    with pytest.raises(ConfigError, match="compared with 'random', which the study lacks"):
        Study.load({**RAW, "recipes": ["clumped"], "controls": {"below": "clumped"}}).runs()


def test_names_may_be_one_string() -> None:
    study = Study.load(RAW, ["controls.above=oracle_foreground", "controls.below=clumped"])
    assert study.controls is not None
    assert study.controls.wanted == {"oracle_foreground": "above", "clumped": "below"}


def test_the_study_controls_has_the_settings_of_the_default_study() -> None:
    quick, controls = (
        yaml.safe_load((ROOT / "experiments" / "studies" / f"{name}.yaml").read_text())
        for name in ("quick", "controls")
    )
    own = {"name", "recipes", "controls", "seeds"}
    assert {k: v for k, v in controls.items() if k not in own} == {k: v for k, v in quick.items() if k not in own}
    study = Study.find("controls")
    assert len(study.seeds) == 5 and study.controls is not None
    assert len(study.runs()) == 5 * len(study.recipes)


def test_results_of_another_dataset_get_a_folder_of_their_own() -> None:
    command = ["make", "-n", "bench", "STUDY=controls", "DATASET=acdc", "DATA=/scans"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert '"controls"' in said and 'name="controls-acdc"' in said and 'datasets="acdc"' in said
