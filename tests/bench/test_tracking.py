from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alseg_core.results import RunFolder
from alseg_core.vocabulary import RoundRecord
from bench.tracking import PARENT, Background, Tracker, flatten, metrics_of, overlays, tracking_uri
from bench.worker import Job

RAW: dict[str, Any] = {
    "dataset": {"name": "d"},
    "recipe": {"name": "random", "strategy": {"name": "random"}},
    "annotation": {"name": "mask"},
    "schedule": "default",
    "seed": 3,
    "train": {"lr": 0.01, "widths": [4, 8]},
}


def record(number: int) -> RoundRecord:
    return RoundRecord(
        round=number,
        labelled=10 * (number + 1),
        fraction=0.1 * (number + 1),
        cost=2.0,
        cover_radius=1.5,
        selected=[{"case": "a", "z": number, "score": None}],
        members=[],
        best=0,
        volumes=[],
        summary={"dice": 0.1 * number, "hd95_mm": None, "dice_RV": 0.3, "validation_dice": 0.2},
        seconds={"train": 1.0},
        ledger=[],
    )


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "study" / "runs" / "k1"
    folder.mkdir(parents=True)
    return Job("k1", RAW, folder, rounds=3)


def stored(tmp_path: Path) -> tuple[Any, Any, Any]:
    """Client, parent run and the only nested run of the store."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri(tmp_path))
    experiment = client.get_experiment_by_name("study")
    runs = client.search_runs([experiment.experiment_id])
    (nested,) = [run for run in runs if "alseg.key" in run.data.tags]
    (parent,) = [run for run in runs if "alseg.key" not in run.data.tags]
    return client, parent, nested


def test_rounds_are_logged_once_whoever_syncs_and_however_often(job: Job, tmp_path: Path) -> None:
    folder = RunFolder(job.folder)
    folder.append(record(0))
    Tracker("study", tmp_path).sync(job)
    folder.append(record(1))
    tracker = Tracker("study", tmp_path)  # a driver that was started again
    tracker.sync(job)
    tracker.sync(job)
    _, _, nested = stored(tmp_path)
    assert nested.info.status == "RUNNING"
    folder.append(record(2))
    np.savez(
        job.folder / "examples.npz",
        image=np.zeros((1, 8, 8), np.float32),
        truth=np.ones((1, 8, 8), np.uint8),
        prediction=np.zeros((1, 8, 8), np.uint8),
        case=np.array(["a"]),
        z=np.array([4]),
    )
    tracker.sync(job)
    report = tmp_path / "report"
    report.mkdir()
    (report / "comparison.md").write_text("table")
    tracker.close(report, "FINISHED")

    client, parent, nested = stored(tmp_path)
    history = client.get_metric_history(nested.info.run_id, "dice")
    assert [(m.step, m.value) for m in history] == [(10, 0.0), (20, 0.1), (30, 0.2)]
    assert {m.step for m in client.get_metric_history(nested.info.run_id, "dice_RV")} == {10, 20, 30}
    assert "hd95_mm" not in nested.data.metrics and nested.data.metrics["seconds_train"] == 1.0
    tags = nested.data.tags
    assert (tags["dataset"], tags["recipe"], tags["annotation"], tags["schedule"], tags["seed"]) == (
        "d",
        "random",
        "mask",
        "default",
        "3",
    )
    assert tags[PARENT] == parent.info.run_id
    assert nested.data.params["train.lr"] == "0.01" and nested.data.params["recipe.strategy.name"] == "random"
    assert nested.info.status == parent.info.status == "FINISHED"
    assert {a.path for a in client.list_artifacts(nested.info.run_id)} == {"selected.json", "overlay_a_z4.png"}
    assert [a.path for a in client.list_artifacts(parent.info.run_id, "report")] == ["report/comparison.md"]


def test_a_round_sent_in_part_makes_no_doubles(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RunFolder(job.folder).append(record(1 - 1))
    tracker = Tracker("study", tmp_path)
    tracker.sync(job)
    client, _, nested = stored(tmp_path)
    monkeypatch.setattr("bench.tracking.LAST", "never logged")  # as if the mark of a whole round were not there
    tracker.sync(job)
    assert len(client.get_metric_history(nested.info.run_id, "dice")) == 1


def test_failure_and_later_success(job: Job, tmp_path: Path) -> None:
    tracker = Tracker("study", tmp_path)
    tracker.sync(job, failure="no luck")
    _, _, nested = stored(tmp_path)
    assert nested.info.status == "FAILED" and nested.data.tags["failure"] == "no luck"
    for number in range(3):
        RunFolder(job.folder).append(record(number))
    tracker.sync(job)
    _, _, nested = stored(tmp_path)
    assert nested.info.status == "FINISHED" and "failure" not in nested.data.tags


def test_background_catches_up_at_the_end(job: Job, tmp_path: Path) -> None:
    other = dataclasses.replace(job, key="k2", folder=job.folder.with_name("k2"))
    other.folder.mkdir()
    RunFolder(other.folder).append(record(0))
    background = Background(Tracker("study", tmp_path), [job, other])
    background.changed(job.key)
    assert background.finish(tmp_path / "report", 60) is None
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri(tmp_path))
    runs = client.search_runs([client.get_experiment_by_name("study").experiment_id])
    assert {run.data.tags.get("alseg.key") for run in runs} == {None, "k1", "k2"}


def test_a_store_that_is_down_is_told_once_and_soon(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    background = Background(Tracker("study", tmp_path), [job])
    start = time.monotonic()
    background.changed(job.key)
    trouble = background.finish(tmp_path / "report", 30)
    assert trouble is not None and "1 of 1 runs not tracked in http://127.0.0.1:9" in trouble and "\n" not in trouble
    assert time.monotonic() - start < 30


def test_a_store_that_hangs_is_left_behind(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = Tracker("study", tmp_path)
    monkeypatch.setattr(tracker, "sync", lambda *_: time.sleep(5))
    start = time.monotonic()
    trouble = Background(tracker, [job]).finish(tmp_path / "report", 0.3)
    assert trouble is not None and "no answer within" in trouble and time.monotonic() - start < 3


def test_settings_become_flat_parameters() -> None:
    assert flatten({"a": {"b": 1, "c": "x"}, "d": [1, 2], "e": None, "f": {}}) == {
        "a.b": "1",
        "a.c": "x",
        "d": "[1, 2]",
        "e": "null",
        "f": "{}",
    }


def test_only_defined_numbers_are_metrics() -> None:
    metrics = metrics_of(record(2))
    assert (
        metrics["dice"] == 0.2 and metrics["cover_radius"] == 1.5 and metrics["round"] == 2 and "hd95_mm" not in metrics
    )
    json.dumps(metrics)


def test_overlays_show_the_kept_slices(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "e.npz",
        image=rng.random((2, 16, 16), np.float32),
        truth=rng.integers(0, 4, (2, 16, 16), np.uint8),
        prediction=rng.integers(0, 4, (2, 16, 16), np.uint8),
        case=np.array(["a", "b"]),
        z=np.array([1, 2]),
    )
    assert [path.name for path in overlays(tmp_path / "e.npz", tmp_path)] == ["overlay_a_z1.png", "overlay_b_z2.png"]
