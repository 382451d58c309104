"""A network that was kept is in MLflow, and is loaded from there as users would, with equal predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alseg_core import checkpoint
from alseg_core.config import RunConfig
from bench.launchers.worker import run_one
from bench.study.job import Job
from bench.tracking import Tracker, tracking_uri


def test_a_kept_network_is_loaded_from_the_store(
    tmp_path: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    config = RunConfig.load({**tiny, "budgets": [3], "keep_network": True})
    job = Job.of(config, tmp_path / "study")
    run_one(job.raw, job.folder, tmp_path / "store")
    Tracker("study", tmp_path).sync(job)

    import mlflow

    # MLflow's own setter would leave the variable to the tests that follow
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(tmp_path))
    query = {"experiment_names": ["study"], "filter_string": "tags.recipe = 'random'"}
    (run,) = mlflow.search_runs(**query, output_format="list")
    uri = f"runs:/{run.info.run_id}/network"
    folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / "down")))
    assert sorted(path.name for path in folder.iterdir()) == ["MLmodel", "config.json", "network.pt"]

    images = np.random.default_rng(0).random((2, 1, 16, 16), dtype=np.float32)
    with torch.inference_mode():
        wanted = checkpoint.load(job.folder)(torch.as_tensor(images)).numpy()
        downloaded = checkpoint.load(folder)(torch.as_tensor(images)).numpy()
    np.testing.assert_array_equal(downloaded, wanted)
    np.testing.assert_array_equal(mlflow.pyfunc.load_model(uri).predict(images), wanted)


def test_without_a_kept_network_there_is_none_in_the_store(
    tmp_path: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    job = Job.of(RunConfig.load({**tiny, "budgets": [3]}), tmp_path / "study")
    run_one(job.raw, job.folder, tmp_path / "store")
    Tracker("study", tmp_path).sync(job)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri(tmp_path))
    (run,) = client.search_runs(["1"], "tags.recipe = 'random'")
    assert {a.path for a in client.list_artifacts(run.info.run_id)} >= {"selected.json"}
    assert "network" not in {a.path for a in client.list_artifacts(run.info.run_id)}
