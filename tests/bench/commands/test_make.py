"""The options of make: each target takes its own and refuses the others."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def make(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Print the commands that make would execute."""
    command = ["make", "--dry-run", "--old-file=.venv/.installed", *words]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={"PATH": os.environ["PATH"], **environment}
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["bench", "STUDY=acdc_quick", "PRESET=paper"], "STUDY=acdc_quick names another: drop one"),
        (["bench", "TRIALS=3"], "make bench takes no TRIALS. It takes DATASET DATA"),
        (["tune", "SEEDS=3"], "make tune takes no SEEDS. seeds of a tuning are settings: SET="),
        (["tune", "RECIPES=random"], "TUNING= names a recipe with what is tuned. It takes TUNING"),
        (["perf", "DATASET=acdc"], "make perf takes no DATASET. It takes ONLY SCALE"),
        (["report", "SET=name=x"], "make report takes no SET. It takes FOLDER"),
    ],
)
def test_an_option_of_another_target_is_refused(words: list[str], told: str) -> None:
    done = make(*words)
    assert done.returncode == 2 and told in done.stderr and done.stdout == ""


def test_a_tuning_takes_what_a_study_takes() -> None:
    words = ("STUDY=acdc_quick", "ANNOTATION=mask", "ESTIMATE=1", "DOWNLOAD=0", "LOCAL=1", "SET=trials=3 seed=1")
    command = " ".join(make("tune", *words).stdout.split())
    for part in (
        '--set study="acdc_quick"',
        '--set settings.annotations="mask"',
        "--set trials=3 --set seed=1 --local --estimate --no-download --typed 'make tune ",
    ):
        assert part in command


def test_what_was_typed_is_recorded_wherever_its_options_come_from() -> None:
    words = ("RECIPES=x y", "DATA=d", "SEEDS=2", "PYTHON=python3", "SET=b=1 a=2")
    said = '--typed \'make bench DATASET=acdc DATA=d RECIPES="x y" SET="b=1 a=2"\''
    assert said in make("bench", *words, DATASET="acdc", WORKERS="3").stdout
    assert "--typed 'make bench'" in make("bench").stdout


def test_downloads_are_refused_by_a_word() -> None:
    assert "--no-download" in make("bench", "DATASET=chaos", "DOWNLOAD=0").stdout
    assert "--no-download" not in make("bench", "DATASET=chaos").stdout


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        (["STUDY=some/mine.yaml", "OUT=o"], 'some/mine.yaml --in "o"'),
        (["STUDY=some/mine.yaml", "DATASET=acdc", "OUT=o"], "o/mine-acdc "),
        (["STUDY=controls"], "runs/controls "),
        (["FOLDER=a b", "TO=c"], "a b --in"),
    ],
)
def test_a_report_is_about_the_folder_of_the_study(words: list[str], folder: str) -> None:
    assert f"alseg report {folder}" in make("report", *words).stdout
