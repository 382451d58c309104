"""``alseg tune --launcher local``: trials one after another in one process, and what becomes of those that fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from PIL import Image

from alseg_core.config import RunConfig
from bench.launchers.launcher import Policy
from bench.launchers.local import LocalLauncher
from bench.study import Study
from bench.tracking.pictures import WIDTH
from bench.tuning.optuna_search import OptunaAttempt, OptunaQueue
from bench.tuning.trial import TrialFolder
from tests.bench.conftest import BROKEN
from tests.bench.launchers.test_failures import faulty
from tests.bench.tuning.test_tuning_study import suggest, trials

__all__ = ["faulty"]  # a fixture

NAME = "tune-small-tiny"
COMMAND = """
import sys
from bench.cli import main
main(sys.argv[1:], standalone_mode=False)
print("ray" in sys.modules)
"""


def tune(file: Path, out: Path, count: int) -> str:
    arguments = ["tune", str(file), "--out", str(out), "--recipes-to", str(out), "--launcher", "local"]
    command = [sys.executable, "-c", COMMAND, *arguments, "--set", f"trials={count}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env={**os.environ, "COLUMNS": "300"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_tuning_runs_in_one_process_without_ray(tuning_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = tune(tuning_file, out, count=2)
    assert said.endswith("\nFalse\n") and "1 at once: at most about" in said and "[2/2] trial 1: " in said
    assert "runs, with the settings of trial 0 (the recipe's own settings)" in said and "trial 0, seed 2: " in said
    first = optuna.load_study(study_name=NAME, storage=f"sqlite:///{out}/optuna.db").trials
    assert [trial.state.name for trial in first] == ["COMPLETE", first[1].state.name]
    assert all(trial.intermediate_values[1] > 0 for trial in first)
    assert "own settings" in (out / NAME / "report" / "tuning.md").read_text()
    assert (out / "small_tuned_tiny.yaml").exists()
    storage = optuna.storages.RDBStorage(f"sqlite:///{out}/optuna.db")
    for trial in first:
        attached = optuna.artifacts.get_all_artifact_meta(trial, storage=storage)
        seeds = sorted(f"seed_{rung - 1}.png" for rung in trial.intermediate_values)
        assert sorted(artifact.filename for artifact in attached) == ["curves.png", *seeds]
        for artifact in attached:
            assert artifact.mimetype == "image/png"
            picture = Image.open(out / "optuna-artifacts" / artifact.artifact_id)
            assert picture.width == (3 * WIDTH if artifact.filename != "curves.png" else 720)
    assert f"--artifact-dir {out}/optuna-artifacts" in (out / NAME / "report" / "tuning.md").read_text()


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_tuning_of_one_process_goes_on(tuning_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    tune(tuning_file, out, count=2)
    first = optuna.load_study(study_name=NAME, storage=f"sqlite:///{out}/optuna.db").trials
    assert "[3/3] trial 2: " in tune(tuning_file, out, count=3)
    again = optuna.load_study(study_name=NAME, storage=f"sqlite:///{out}/optuna.db").trials
    assert len(again) == 3
    assert [trial.intermediate_values for trial in again[:2]] == [trial.intermediate_values for trial in first]


@pytest.mark.parametrize("recipe", [{"name": "raises", "strategy": {"name": "raises"}}, BROKEN])
def test_trials_that_fail_are_tried_again_and_those_that_cannot_run_are_not(
    recipe: dict[str, object], faulty: None, study_file: Path, tmp_path: Path
) -> None:
    raw = {**Study.find(str(study_file)).runs()[0].describe(), "recipe": recipe}
    found = trials(f"sqlite:///{tmp_path}/a.db", total=2)
    started: list[int] = []

    def prepare(trial: optuna.Trial) -> Path:
        folder = TrialFolder.of(trial.number, tmp_path)
        folder.write(trial.number, suggest(trial), [RunConfig.load(raw)])
        return folder.path

    class Counting(OptunaQueue):
        def start(self) -> OptunaAttempt | None:
            if attempt := super().start():
                started.append(attempt.trial.number)
            return attempt

    told: list[tuple[int, str]] = []
    queue = Counting(found, 1, 2, prepare, lambda number, outcome: told.append((number, outcome)))
    LocalLauncher().search(queue, Policy(tmp_path, tmp_path / "store"))
    assert queue.over
    if recipe is BROKEN:
        assert started == [0, 1] and all("cannot be run" in outcome and "lower lr" in outcome for _, outcome in told)
    else:
        assert started == [0, 0, 0, 1, 1, 1]
        assert all(outcome.startswith("failed: ZeroDivisionError: no slices") for _, outcome in told)
    assert [number for number, _ in told] == [0, 1]
