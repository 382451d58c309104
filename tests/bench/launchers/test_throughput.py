"""Many short runs through the whole command: every one is there, once, in its folder and in MLflow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from alseg_core.results import RunFolder

RUNS = 40


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_many_short_runs_are_complete(study_file: Path, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    study = yaml.safe_load(study_file.read_text())
    study |= {
        "recipes": ["random"],
        "seeds": RUNS,
        "retries": 0,
        "schedules": {"one": [3]},
        "concurrency": 2,
        "train": {"scribble": {"iterations_full": 10}},
    }
    study_file.write_text(yaml.safe_dump(study))
    out = tmp_path / "out"
    own = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI")}
    done = subprocess.run(
        [sys.executable, "-m", "bench.cli", "bench", str(study_file), "--out", str(out)],
        env=own,
        capture_output=True,
        text=True,
        timeout=380,
    )
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    assert "not tracked" not in done.stdout and f"[{RUNS}/{RUNS}]" in done.stdout and f"[{RUNS + 1}/" not in done.stdout

    folders = [RunFolder(path) for path in (out / "small" / "runs").iterdir()]
    assert len(folders) == RUNS and all(len(folder.records()) == 1 for folder in folders)
    assert not (out / "small" / "ray").exists()  # nothing of Ray's own is left
    client = MlflowClient(tracking_uri=f"sqlite:///{out / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    tracked = {run.data.tags["alseg.key"]: run for run in runs if "alseg.key" in run.data.tags}
    assert tracked.keys() == {folder.path.name for folder in folders} and len(runs) == RUNS + 1
    for folder in folders:
        run = tracked[folder.path.name]
        assert run.info.status == "FINISHED"
        assert run.data.metrics["dice"] == pytest.approx(folder.records()[0].summary["dice"])
