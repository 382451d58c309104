"""A network that was kept is in MLflow, and is found and loaded there as users would, with equal predictions."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alseg_core import checkpoint
from alseg_core.config import RunConfig
from alseg_core.results import RunFolder
from bench.launchers.worker import run_one
from bench.study.job import Job
from bench.tracking import Tracker, tracking_uri
from bench.tracking.tracker import WHOLE


@pytest.fixture
def job(tmp_path: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Job:
    """A finished run that has kept its network."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    config = RunConfig.load({**tiny, "budgets": [3], "keep_network": True})
    job = Job.of(config, tmp_path / "study")
    run_one(job.raw, job.folder, tmp_path / "store")
    return job


def found(tmp_path: Path, *filters: str) -> list[Any]:
    """Logged models of the experiment that has the study."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri(tmp_path))
    return list(client.search_logged_models(["1"], " AND ".join(filters) or None))


def test_a_kept_network_is_found_by_its_scores_and_loaded(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tracker("study", tmp_path).sync(job)

    import mlflow

    # MLflow's own setter would leave the variable to the tests that follow
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(tmp_path))
    query = {"experiment_names": ["study"], "filter_string": "tags.recipe = 'random'"}
    (run,) = mlflow.search_runs(**query, output_format="list")
    (data,) = [entry.dataset for entry in run.inputs.dataset_inputs]
    wanted = f"metrics.dice >= {run.data.metrics['dice']} AND tags.recipe = 'random' AND params.seed = '0'"
    on = [{"dataset_name": data.name, "dataset_digest": data.digest}]
    (model,) = mlflow.search_logged_models(["1"], wanted, datasets=on, output_format="list")
    assert (model.name, model.source_run_id, model.status) == ("network", run.info.run_id, "READY")
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]

    scores = RunFolder(job.folder).records()[-1].summary
    linked = {metric.key: metric for metric in model.metrics}
    assert linked["dice"].value == pytest.approx(scores["dice"], abs=1e-4) and linked["dice"].step == 3
    assert {name.removeprefix("classes/").removeprefix("volumes/") for name in linked} == {
        name for name, value in scores.items() if value is not None
    }
    assert {(metric.dataset_name, metric.dataset_digest) for metric in model.metrics} == {(data.name, data.digest)}
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "dice")
    assert [metric.step for metric in history] == [3]  # linked to the network, and not logged twice

    uris = (f"runs:/{run.info.run_id}/network", f"models:/{model.model_id}")
    folder = Path(mlflow.artifacts.download_artifacts(uris[0], dst_path=str(tmp_path / "down")))
    ours = {path.name for path in folder.iterdir()} - {"registered_model_meta"}  # which MLflow adds when it downloads
    assert ours == {"MLmodel", "config.json", "network.pt"}
    images = np.random.default_rng(0).random((2, 1, 16, 16), dtype=np.float32)
    with torch.inference_mode():
        predicted = checkpoint.load(job.folder)(torch.as_tensor(images)).numpy()
        downloaded = checkpoint.load(folder)(torch.as_tensor(images)).numpy()
    np.testing.assert_array_equal(downloaded, predicted)
    for uri in uris:
        np.testing.assert_array_equal(mlflow.pyfunc.load_model(uri).predict(images), predicted)


def test_a_network_that_was_sent_in_part_is_sent_again_and_one_that_is_there_is_not(job: Job, tmp_path: Path) -> None:
    Tracker("study", tmp_path).sync(job)
    (whole,) = found(tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:  # as if the driver had ended before its last requests
        database.execute("DELETE FROM tags WHERE key = ?", (WHOLE,))
    Tracker("study", tmp_path).sync(job)
    assert [model.model_id for model in found(tmp_path)] == [whole.model_id]
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("DELETE FROM tags WHERE key = ?", (WHOLE,))
        database.execute("UPDATE logged_models SET status = 1")  # PENDING
    Tracker("study", tmp_path).sync(job)
    (again,) = found(tmp_path)
    assert again.model_id != whole.model_id and again.status == "READY"


def test_a_run_that_was_made_again_leaves_only_its_new_network(job: Job, tmp_path: Path) -> None:
    Tracker("study", tmp_path).sync(job)
    (old,) = found(tmp_path)
    shutil.rmtree(job.folder)
    run_one(job.raw, job.folder, tmp_path / "store")  # the same picks and scores at another time
    Tracker("study", tmp_path).sync(job)
    (new,) = found(tmp_path)
    assert new.model_id != old.model_id and new.source_run_id != old.source_run_id


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
    assert found(tmp_path) == []
