"""The command that a tuning ends with does what it says, as it is printed."""

from __future__ import annotations

import itertools
import shlex
import subprocess
from pathlib import Path

import pytest

from bench.study import Study, experiments
from bench.tuning.comparison import command
from bench.tuning.spec import Tuning

ROOT = Path(__file__).parents[3]
TUNED = experiments() / "recipes" / "gcl_coreset_tuned_phantom.yaml"


def study_of(words: list[str]) -> Study:
    """The study that the words of an ``alseg bench`` command ask for."""
    settings = [value for flag, value in itertools.pairwise(words) if flag == "--set"]
    return Study.find(words[words.index("bench") + 1], settings)


def made(line: str) -> Study:
    """The study that a ``make bench`` command asks for."""
    dry = ["-n", "--no-print-directory", "--old-file=.venv/.installed"]
    done = subprocess.run(["make", *dry, *shlex.split(line)[1:]], cwd=ROOT, capture_output=True, text=True, check=True)
    return study_of(shlex.split(done.stdout.replace("\\\n", " ")))


def test_the_default_tuning_ends_with_a_short_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    line = command(Tuning.find("gcl_coreset"), TUNED, ROOT / "runs")
    assert line == (
        'make bench RECIPES="gcl_coreset gcl_coreset_tuned_phantom" '
        'SET="name=quick-gcl_coreset_tuned_phantom primary.against=gcl_coreset"'
    )


def test_what_differs_is_in_the_command_and_make_understands_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    tuned = tmp_path / "x_tuned_acdc.yaml"
    tuned.write_text("name: x_tuned_acdc\nsummary: s\nstrategy: random\n")
    settings = ["dataset=acdc", f"data={tmp_path}", "study=paper", "recipe=random", "settings.annotations=scribble"]
    line = command(Tuning.find("gcl_coreset", settings), tuned, tmp_path / "out")
    assert line.startswith(f"make bench DATASET=acdc DATA={tmp_path} PRESET=paper OUT={tmp_path}/out RECIPES=")
    study = made(line)
    assert (study.name, study.preset) == ("paper-x_tuned_acdc", "paper")
    assert [run.recipe.name for run in study.runs() if run.seed == 0] == ["random", "x_tuned_acdc"]
    assert {run.annotation_name for run in study.runs()} == {"scribble"}
    planned = study.planned()
    assert planned is not None and planned.against == "random"


def test_the_comparison_runs_on_the_dataset_of_the_tuning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    tuned = tmp_path / "x_tuned_phantom.yaml"
    tuned.write_text("name: x_tuned_phantom\nsummary: s\nstrategy: random\n")
    settings = ["study=acdc_quick", "recipe=random", "settings.annotations=mask"]
    line = command(Tuning.find("gcl_coreset", settings), tuned, ROOT / "runs")
    assert line.startswith("make bench DATASET=phantom STUDY=acdc_quick RECIPES=")
    study = made(line)
    assert study.name == "acdc_quick-x_tuned_phantom" and {run.dataset.name for run in study.runs()} == {"phantom"}


def test_names_that_make_would_split_are_quoted_for_a_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    folder = tmp_path / "my recipes"
    folder.mkdir()
    (folder / "x.yaml").write_text("name: x\nsummary: s\nstrategy: random\n")
    line = command(Tuning.find("gcl_coreset", ["recipe=random"]), folder / "x.yaml", tmp_path)
    words = shlex.split(line)
    assert words[1:3] == ["bench", "quick"] and words[-2:] == ["--out", str(tmp_path)]
    study = study_of(words)
    assert [run.recipe.name for run in study.runs() if run.seed == 0] == ["random", "x"] and study.name == "quick-x"
