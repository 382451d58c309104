"""The whole command: interrupted, killed and started again; what it leaves, and whose labels it read."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from alseg_core.errors import DataError
from alseg_core.material import open_material
from alseg_core.results import RunFolder
from alseg_core.store import Store
from bench.cli import main
from bench.study import find
from bench.tuning.label_audit import LabelAudit
from bench.tuning.spec import Tuning

NAME = "tune-small-tiny"


def lines(out: Path) -> dict[str, list[str]]:
    """Finished rounds of every run."""
    found = (path for path in sorted(out.glob(f"{NAME}/trials/*/runs/*/rounds.jsonl")))
    return {str(path): path.read_text().splitlines() for path in found}


def until(driver: subprocess.Popen[str], out: Path, rounds: int) -> None:
    """Wait for a number of finished rounds."""
    deadline = time.monotonic() + 400
    while sum(map(len, lines(out).values())) < rounds and driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert driver.poll() is None, driver.communicate()[0]
    assert sum(map(len, lines(out).values())) >= rounds


def start(command: list[str]) -> subprocess.Popen[str]:
    """The command, taking Ctrl-C although it is in the background."""
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_tuning_that_is_stopped_and_killed_goes_on_and_reads_no_test_labels(
    tuning_file: Path, tmp_path: Path
) -> None:
    out, recipes = tmp_path / "out", tmp_path / "recipes"
    arguments = ["tune", str(tuning_file), "--out", str(out), "--recipes-to", str(recipes)]
    arguments += ["--set", "settings.concurrency=1"]
    command = [sys.executable, "-m", "bench.cli", *arguments]

    driver = start(command)
    until(driver, out, rounds=1)
    driver.send_signal(signal.SIGINT)
    told, _ = driver.communicate(timeout=300)
    assert driver.returncode == 130 and "Traceback" not in told, told
    assert told.rstrip().endswith("stopped; the same command continues from the last finished rounds")

    driver = start(command)
    until(driver, out, rounds=5)  # the recipe as it is, and the first trial that Optuna proposed
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    before = lines(out)
    url = f"sqlite:///{out}/optuna.db"
    cut = optuna.load_study(study_name=NAME, storage=url).trials
    assert [trial.state.name for trial in cut] == ["COMPLETE", "RUNNING"]

    again = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert again.returncode == 0 and again.stderr == "", again.stdout + again.stderr
    for path, finished in before.items():
        assert lines(out)[path][: len(finished)] == finished  # no finished round was done again
    trials = optuna.load_study(study_name=NAME, storage=url).trials
    assert [trial.params for trial in trials[:2]] == [trial.params for trial in cut]
    assert len(trials) == 3 and {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED"}

    read = LabelAudit.of(out / NAME)
    assert read.slices["evaluation", "validation masks"] > 0 and read.sealed == read.runs == len(lines(out))
    material = open_material(Tuning.find(str(tuning_file)).base().runs()[0], Store(out / "store"))
    scored = {
        row["case"] for path in before for record in RunFolder(Path(path).parent).records() for row in record.volumes
    }
    assert scored == read.scored == set(material.split.val) and read.bought <= set(material.split.train)

    results = out / NAME / "report"
    for picture in ("history.png", "slices.png"):
        assert (results / picture).read_bytes().startswith(b"\x89PNG")
    text = (results / "tuning.md").read_text()
    assert f"0 of the split's {len(material.split.test)} test volumes were scored and 0 annotated" in text
    assert "own settings" in text and all(case in text for case in read.scored)
    rows = list(csv.DictReader((results / "trials.csv").open()))
    assert [row["own"] for row in rows] == ["True", "False", "False"] and rows[0]["embed.w_patient"] == "0.05"
    recipe = recipes / "small_tuned_tiny.yaml"
    assert find("recipe", str(recipe))["name"] == "small_tuned_tiny"
    assert "taken to the full loop (of 3 trials)" in " ".join(recipe.read_text().replace("#", "").split())

    client = MlflowClient(tracking_uri=f"sqlite:///{out}/mlflow.db")
    experiment = client.get_experiment_by_name(NAME)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    nested = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(runs) == 4 and {run.data.tags["alseg.trial"] for run in nested} == {"0", "1", "2"}
    own = next(run for run in nested if run.data.tags["own"] == "True")
    assert own.data.params["embed.w_patient"] == "0.05"
    history = {metric.step: metric.value for metric in client.get_metric_history(own.info.run_id, "aubc_validation")}
    assert history == pytest.approx(trials[0].intermediate_values, abs=1e-4)  # rounded
    assert own.data.metrics["aubc_full_loop_mean"] == own.data.metrics["aubc_full_loop"]  # of one seed
    assert own.info.run_name == "0: the recipe's own settings"

    everything = lines(out)
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert lines(out) == everything and len(client.search_runs([experiment.experiment_id])) == 4
    for metric in ("aubc_full_loop", "aubc_full_loop_mean"):
        assert len(client.get_metric_history(own.info.run_id, metric)) == 1  # nothing is stored twice


def test_the_vault_of_a_trial_refuses_the_labels_of_test_volumes(tuning_file: Path, tmp_path: Path) -> None:
    tuning = Tuning.find(str(tuning_file))
    raw = tuning.run()
    store = Store(tmp_path / "store")
    for config in (tuning.trial_runs(raw, tuning.own(raw))[0], tuning.full_runs(raw, tuning.own(raw))[0]):
        material = open_material(config, store)
        vault = material.vault(config.evaluate.part)
        assert len(vault.native_mask(material.split.val[0], "test", "validation masks"))
        for case in material.split.test:
            with pytest.raises(DataError):
                vault.native_mask(case, "test", "test masks")


def test_a_wrong_tuning_is_said_before_anything_is_written(tuning_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for settings, words in ((["recipe=gcl_corset"], "Did you mean"), (["data=nowhere", "dataset=acdc"], "nowhere")):
        chosen = [part for setting in settings for part in ("--set", setting)]
        result = CliRunner().invoke(main, ["tune", str(tuning_file), "--out", str(out), *chosen])
        assert result.exit_code == 2 and words in result.output and not out.exists()


def test_ray_is_imported_by_the_thread_that_starts_it_and_by_no_other_beside_it(
    tuning_file: Path, tmp_path: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; from rich.console import Console\n"
        "from bench.terminal.progress import Display; from bench.tuning.tuning_run import Launch\n"
        "from bench.tuning.spec import Tuning\n"
        "from bench.launchers.launcher import Policy; from bench.launchers.ray_launcher import RayLauncher\n"
        "class Starting:\n"
        "    def wait(self): sys.exit(3 if 'ray.tune' in sys.modules else 0)\n"
        "ray = RayLauncher()\n"
        "ray._cluster = Starting()\n"
        f"out = Path({str(tmp_path)!r})\n"
        f"launch = Launch.of(Tuning.find({str(tuning_file)!r}), out, ray, Display(Console()))\n"
        f"launch._search(launch._trials('sqlite:///{tmp_path}/a.db'), Policy(out, out / 'store'), None)\n"
        "sys.exit(4)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, (ended.returncode, ended.stderr)


def test_a_trial_says_what_it_is(tuning_file: Path, tmp_path: Path) -> None:
    from bench.tuning.trial import TrialFolder

    tuning = Tuning.find(str(tuning_file))
    raw = tuning.run()
    runs = tuning.trial_runs(raw, tuning.own(raw))
    folder = TrialFolder.of(7, tmp_path)
    folder.write(7, tuning.own(raw), runs)
    assert json.loads((folder.path / "trial.json").read_text())["number"] == 7
    assert [job.key for job in folder.jobs()] == [run.key for run in runs]
