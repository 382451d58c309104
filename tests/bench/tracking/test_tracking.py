from __future__ import annotations

import dataclasses
import json
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from alseg_core.device.usage import Usage, append
from alseg_core.metrics.curve import AUBC_DICE
from alseg_core.results import RunFolder
from alseg_core.vocabulary import RoundRecord
from bench.study.job import Job
from bench.tracking import PARENT, Background, Tracker, artifact_root, flatten, metrics_of, tracking_uri
from bench.tracking.content import LAST
from bench.tracking.links import CURVES, DIFFERENCES, TABLE, artifact, page
from bench.tracking.pictures import COLOURS, HEAD, WIDTH, sheet
from bench.tracking.tracker import WHOLE, mark
from bench.tracking.views import NOTE, VIEW
from bench.tuning.trial_tracker import TrialTracker

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
        summary={"dice": 0.1 * number, "hd95_mm": None, "dice_RV": 0.3, "validation_dice": 0.2, "empty_both": 1.0},
        seconds={"train": 1.0},
        ledger=[],
    )


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without runs: MLflow takes a second to make one, so the tests get copies."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> Job:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    return make(tmp_path, "k1")


def make(tmp_path: Path, key: str, rounds: int = 0) -> Job:
    """A run of three rounds, the first ``rounds`` of them finished."""
    folder = tmp_path / "study" / "runs" / key
    folder.mkdir(parents=True)
    for number in range(rounds):
        RunFolder(folder).append(record(number))
    return Job(key, RAW, folder, rounds=3)


def client_of(tmp_path: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri(tmp_path))


def stored(tmp_path: Path) -> tuple[Any, Any, dict[str, Any]]:
    """Client, parent run and nested runs by key; no key is there twice."""
    client = client_of(tmp_path)
    runs = client.search_runs([client.get_experiment_by_name("study").experiment_id])
    nested = [run for run in runs if "alseg.key" in run.data.tags]
    (parent,) = [run for run in runs if "alseg.key" not in run.data.tags]
    by_key = {run.data.tags["alseg.key"]: run for run in nested}
    assert len(by_key) == len(nested)
    return client, parent, by_key


def only(tmp_path: Path) -> tuple[Any, Any, Any]:
    client, parent, runs = stored(tmp_path)
    (nested,) = runs.values()
    return client, parent, nested


def steps(client: Any, run: Any, metric: str = "dice") -> list[int]:
    return [metric.step for metric in client.get_metric_history(run.info.run_id, metric)]


def save_examples(path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    np.savez(
        path,
        image=rng.integers(0, 256, (count, 16, 16), np.uint8),
        truth=rng.integers(0, 4, (count, 16, 16), np.uint8),
        prediction=rng.integers(0, 4, (count, 16, 16), np.uint8),
        case=np.array([f"case{i}" for i in range(count)]),
        z=np.arange(count),
    )


def test_rounds_are_logged_once_whoever_syncs_and_however_often(job: Job, tmp_path: Path) -> None:
    folder = RunFolder(job.folder)
    folder.append(record(0))
    Tracker("study", tmp_path).sync(job)
    folder.append(record(1))
    tracker = Tracker("study", tmp_path)  # a driver that was started again
    tracker.sync(job)
    tracker.sync(job)
    _, parent, nested = only(tmp_path)
    assert nested.info.status == parent.info.status == "RUNNING" and AUBC_DICE not in nested.data.metrics
    folder.append(record(2))
    save_examples(job.folder / "examples.npz", 2)
    identity = {"fingerprint": "f", "data_key": "0123456789abcdef"}
    (job.folder / "config.json").write_text(json.dumps({**identity, "config": RAW}))
    (job.folder / "environment.json").write_text(
        json.dumps({"commit": "c0ffee", "data": {"patients": {"train": 4}, "iterations": [1, 2]}})
    )
    assert tracker._runs[job.key].params
    tracker.sync(job)
    assert not tracker._runs[job.key].params  # of thousands of finished runs they would be many megabytes
    report = tmp_path / "report"
    report.mkdir()
    (report / "comparison.md").write_text("| recipe | Dice |")
    tracker.close(report, "FINISHED")

    client, parent, nested = only(tmp_path)
    history = client.get_metric_history(nested.info.run_id, "dice")
    assert [(m.step, m.value) for m in history] == [(10, 0.0), (20, 0.1), (30, 0.2)]
    assert steps(client, nested, "classes/dice_RV") == [10, 20, 30]
    metrics, tags = nested.data.metrics, nested.data.tags
    assert "hd95_mm" not in metrics and metrics["seconds/train"] == 1.0 and metrics["volumes/empty_both"] == 1.0
    assert metrics[AUBC_DICE] == pytest.approx(0.1)  # the mean of 0, .1, .1, .2: two trapezia of equal width
    assert {name: tags[name] for name in ("dataset", "recipe", "annotation", "schedule", "seed")} == {
        "dataset": "d",
        "recipe": "random",
        "annotation": "mask",
        "schedule": "default",
        "seed": "3",
    }
    assert nested.info.run_name == "random-s3-d-mask"
    assert tags[PARENT] == parent.info.run_id and tags["mlflow.source.git.commit"] == "c0ffee"
    assert nested.data.params["train.lr"] == "0.01" and nested.data.params["recipe.strategy.name"] == "random"
    (data,) = [entry.dataset for entry in nested.inputs.dataset_inputs]
    assert (data.name, data.digest) == ("d", "0123456789abcdef")
    assert json.loads(data.profile) == {"patients": {"train": 4}}
    assert nested.info.status == parent.info.status == "FINISHED"
    assert nested.info.end_time - nested.info.start_time == 3000  # the rounds' own seconds
    assert {a.path for a in client.list_artifacts(nested.info.run_id)} == {"selected.json", "examples.png"}
    assert [a.path for a in client.list_artifacts(parent.info.run_id, "report")] == ["report/comparison.md"]
    assert "| recipe | Dice |" in parent.data.tags[NOTE]


def test_a_round_whose_mark_was_lost_makes_no_doubles(job: Job, tmp_path: Path) -> None:
    RunFolder(job.folder).append(record(0))
    Tracker("study", tmp_path).sync(job)
    client, _, nested = only(tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:  # as if the batch had not come through whole
        for table in ("metrics", "latest_metrics"):
            database.execute(f"DELETE FROM {table} WHERE key = ?", (LAST,))
    Tracker("study", tmp_path).sync(job)
    assert steps(client, nested) == steps(client, nested, LAST) == [10]


def test_a_study_tracked_in_an_older_form_is_brought_up_to_date_without_doubles(job: Job, tmp_path: Path) -> None:
    """Before form 2 there was neither mark of a whole run, nor AUBC, nor sections; metric ``round`` was the mark."""
    from mlflow.entities import Metric, Param

    client = client_of(tmp_path)
    experiment = client.create_experiment("study", artifact_location=(tmp_path / "mlartifacts").as_uri())
    parent = client.create_run(experiment, tags={"alseg.study": "study"}, run_name="study").info.run_id
    tags = {"alseg.key": "k1", "alseg.study": "study", PARENT: parent}
    run = client.create_run(experiment, tags=tags, run_name="old").info
    for number in range(3):
        RunFolder(job.folder).append(record(number))
        clock = run.start_time + 1000 * (number + 1)
        values = {"dice": 0.1 * number, "round": number}
        client.log_batch(run.run_id, [Metric(k, v, clock, 10 * (number + 1)) for k, v in values.items()])
    client.log_batch(run.run_id, params=[Param("train.lr", "0.01")])
    client.set_terminated(run.run_id)

    Tracker("study", tmp_path).sync(job)
    client, found, nested = only(tmp_path)
    assert found.info.run_id == parent and nested.info.run_id == run.run_id
    assert steps(client, nested) == [10, 20, 30] and nested.data.metrics[AUBC_DICE] == pytest.approx(0.1)
    assert nested.data.params["seed"] == "3" and nested.data.tags[WHOLE] == mark(RunFolder(job.folder))


def test_of_two_runs_with_one_key_the_fuller_one_stays(job: Job, tmp_path: Path) -> None:
    RunFolder(job.folder).append(record(0))
    Tracker("study", tmp_path).sync(job)
    client, _, nested = only(tmp_path)
    client.create_run(nested.info.experiment_id, tags={"alseg.key": "k1", "alseg.study": "study"})
    Tracker("study", tmp_path).sync(job)
    assert only(tmp_path)[2].info.run_id == nested.info.run_id


def test_failure_and_later_success(job: Job, tmp_path: Path) -> None:
    tracker = Tracker("study", tmp_path)
    tracker.sync(job, failure="no luck")
    _, _, nested = only(tmp_path)
    assert nested.info.status == "FAILED" and nested.data.tags["failure"] == "no luck"
    for number in range(3):
        RunFolder(job.folder).append(record(number))
    tracker.sync(job)
    _, _, nested = only(tmp_path)
    assert nested.info.status == "FINISHED" and "failure" not in nested.data.tags


def test_background_catches_up_at_the_end(job: Job, tmp_path: Path) -> None:
    other = make(tmp_path, "k2", 1)
    background = Background(Tracker("study", tmp_path), [job, other])
    background.changed(job.key)
    assert background.finish(tmp_path / "report", 60) is None
    assert set(stored(tmp_path)[2]) == {"k1", "k2"}


def test_a_run_that_is_whole_in_the_store_is_not_read_again(job: Job, tmp_path: Path) -> None:
    done = make(tmp_path, "k2", 3)
    Tracker("study", tmp_path).sync(done)
    before = stored(tmp_path)[2]["k2"].to_dictionary()
    shutil.rmtree(done.folder)
    background = Background(Tracker("study", tmp_path), [done, job])
    assert background.finish(tmp_path / "report", 60) is None
    assert stored(tmp_path)[2]["k2"].to_dictionary() == before


@pytest.mark.parametrize("before", [2, 3])
def test_a_run_that_was_made_again_replaces_the_old_one(before: int, job: Job, tmp_path: Path) -> None:
    """Whether its old folder held all rounds or not; while the folder is gone, the store keeps what it has."""
    for number in range(before):
        RunFolder(job.folder).append(record(number))
    Tracker("study", tmp_path).sync(job)
    old = only(tmp_path)[2].info.run_id
    shutil.rmtree(job.folder)
    tracker = Tracker("study", tmp_path)
    tracker.sync(job)
    assert only(tmp_path)[2].info.run_id == old
    job.folder.mkdir()
    for number in range(3):
        RunFolder(job.folder).append(dataclasses.replace(record(number), summary={"dice": 0.9}))
        tracker.sync(job)
    client, _, nested = only(tmp_path)
    assert nested.info.run_id != old and nested.info.status == "FINISHED"
    history = client.get_metric_history(nested.info.run_id, "dice")
    assert [(m.step, m.value) for m in history] == [(10, 0.9), (20, 0.9), (30, 0.9)]
    Tracker("study", tmp_path).sync(job)
    assert only(tmp_path)[2].info.run_id == nested.info.run_id


def test_a_database_of_the_users_own_writes_nothing_where_the_user_is(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    for number in range(3):
        RunFolder(job.folder).append(record(number))
    Tracker("study", tmp_path).sync(job)
    client, _, nested = only(tmp_path)
    assert [a.path for a in client.list_artifacts(nested.info.run_id)] == ["selected.json"]
    TrialTracker("tuning", tmp_path, trials=cast(Any, None))._open()
    for name in ("study", "tuning"):
        assert client.get_experiment_by_name(name).artifact_location.startswith((tmp_path / "mlartifacts").as_uri())
    assert not list(here.iterdir())


@pytest.mark.parametrize("uri", ["http://host:5000", "https://host", "databricks", "databricks://profile"])
def test_a_server_decides_where_files_are(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert artifact_root(tmp_path, tracking_uri(tmp_path)) is None


def test_a_run_that_cannot_be_read_keeps_none_of_the_others_back(job: Job, tmp_path: Path) -> None:
    others = [make(tmp_path, f"k{number}", 3) for number in range(2, 6)]
    (job.folder / "rounds.jsonl").write_text("{}\n")
    assert Background(Tracker("study", tmp_path), [job, *others]).finish(tmp_path / "report", 60) is None
    _, parent, runs = stored(tmp_path)
    damaged = runs[job.key]
    assert damaged.info.status == "FAILED" and "rounds.jsonl, line 1 is damaged" in damaged.data.tags["failure"]
    assert {key for key, run in runs.items() if run.info.status == "FINISHED"} == {"k2", "k3", "k4", "k5"}
    assert parent.info.status == "FINISHED"


def test_an_interrupted_study_is_killed_in_the_store_and_goes_on_in_it(job: Job, tmp_path: Path) -> None:
    done, waiting = make(tmp_path, "k2", 3), make(tmp_path, "k3")
    RunFolder(job.folder).append(record(0))
    background = Background(Tracker("study", tmp_path), [job, done, waiting])
    background.changed(job.key)
    background.changed(done.key)
    assert background.interrupted(60) is None
    _, parent, runs = stored(tmp_path)
    assert {key: run.info.status for key, run in runs.items()} == {"k1": "KILLED", "k2": "FINISHED"}
    assert parent.info.status == "KILLED"

    tracker = Tracker("study", tmp_path)  # the same command again
    tracker.sync(job)
    client, parent, runs = stored(tmp_path)
    assert runs["k1"].info.status == parent.info.status == "RUNNING" and steps(client, runs["k1"]) == [10]


def test_a_store_that_is_down_is_told_once_and_soon(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    background = Background(Tracker("study", tmp_path), [job])
    background.changed(job.key)
    trouble = background.finish(tmp_path / "report", 60)
    assert trouble is not None and "1 of 1 runs not tracked in http://127.0.0.1:9" in trouble and "\n" not in trouble


def test_a_store_that_hangs_is_left_behind(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = Tracker("study", tmp_path)
    monkeypatch.setattr(tracker, "sync", lambda *_: time.sleep(5))
    trouble = Background(tracker, [job]).finish(tmp_path / "report", 0.3)
    assert trouble is not None and "no answer within 0.3 s" in trouble


def test_a_store_that_is_slow_is_waited_for_while_runs_arrive(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight runs of .5 s each take longer than 2 s, and none of them does."""
    jobs = [dataclasses.replace(job, key=f"k{number}") for number in range(8)]
    tracker = Tracker("study", tmp_path)
    monkeypatch.setattr(tracker, "sync", lambda *_: time.sleep(0.5))
    monkeypatch.setattr(tracker, "close", lambda *_: None)
    assert Background(tracker, jobs).finish(tmp_path / "report", 2.0) is None


def test_an_artifact_folder_that_cannot_be_written_leaves_the_run_open(job: Job, tmp_path: Path) -> None:
    for number in range(3):
        RunFolder(job.folder).append(record(number))
    (tmp_path / "mlartifacts").write_text("a file where the folder should be, as good as a full disk")
    trouble = Background(Tracker("study", tmp_path), [job]).finish(tmp_path / "report", 60)
    assert trouble is not None and "1 of 1 runs not tracked" in trouble
    assert only(tmp_path)[2].info.status == "RUNNING"
    (tmp_path / "mlartifacts").unlink()
    assert Background(Tracker("study", tmp_path), [job]).finish(tmp_path / "report", 60) is None
    client, _, nested = only(tmp_path)
    assert nested.info.status == "FINISHED" and steps(client, nested) == [10, 20, 30]
    assert [a.path for a in client.list_artifacts(nested.info.run_id)] == ["selected.json"]


def test_the_experiment_says_how_to_read_it_and_offers_its_views(job: Job, tmp_path: Path) -> None:
    import base64
    import zlib

    Tracker("study", tmp_path).sync(job)
    tags = client_of(tmp_path).get_experiment_by_name("study").tags
    assert tags[NOTE].startswith("Active learning study study: [learning curves](#/experiments/1/runs?")
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    for key, grouped in ((CURVES, ["recipe"]), (TABLE, []), (DIFFERENCES, [])):
        scheme, packed = json.loads(tags[VIEW + key])["state"].split(";")
        state = json.loads(zlib.decompress(base64.b64decode(packed)))
        assert scheme == "deflate" and page("1", key) in tags[NOTE]
        assert state["orderByKey"] == f"metrics.`{AUBC_DICE}`" and state["orderByAsc"] is False
        assert state["columnOrder"][:-1] == state["selectedColumns"] and "tags.`seed`" in state["selectedColumns"]
        assert [k["groupByData"] for k in (state["groupBy"] or {"groupByKeys": []})["groupByKeys"]] == grouped
        found = client_of(tmp_path).search_runs(["1"], filter_string=state["searchFilter"])
        assert [run.data.tags.get("alseg.key") for run in found] == ["k1"]  # the parent is left out
    _, parent, _ = only(tmp_path)
    assert artifact("1", parent.info.run_id, "report/report.html") in tags[NOTE]


def test_settings_become_flat_parameters() -> None:
    assert flatten({"a": {"b": 1, "c": "x"}, "d": [1, 2], "e": None, "f": {}}) == {
        "a.b": "1",
        "a.c": "x",
        "d": "[1, 2]",
        "f": "{}",
    }


def test_only_defined_numbers_are_metrics() -> None:
    metrics = metrics_of(record(2))
    assert metrics["dice"] == 0.2 and metrics["annotation/cover_radius"] == 1.5 and metrics[LAST] == 2
    assert "hd95_mm" not in metrics and "machine/peak_mb" not in metrics and "annotation/marked" not in metrics
    json.dumps(metrics)


def test_metrics_are_rounded_as_the_ui_shows_every_digit() -> None:
    long = dataclasses.replace(record(2), cover_radius=17.123456, summary={"dice": 0.123456789}, peak_mb=123456)
    metrics = metrics_of(long)
    assert (metrics["dice"], metrics["annotation/cover_radius"]) == (0.1235, 17.12)
    assert metrics["machine/peak_mb"] == 123456.0
    assert not any(name.startswith("system/") for name in metrics)  # MLflow's own


def test_use_of_the_machine_is_sent_as_it_comes_and_stored_once(job: Job, tmp_path: Path) -> None:
    start = 1_700_000_000
    folder, tracker = RunFolder(job.folder), Tracker("study", tmp_path)
    for second in (0, 10, 20):
        append(job.folder, Usage(start + second + 0.5, 98.7654, 1.2312, None, None))
        if second < 20:
            folder.append(record(second // 10))
            tracker.sync(job)
    Tracker("study", tmp_path).sync(job)  # a driver that was started again sends all of an unfinished run
    client, _, nested = only(tmp_path)
    for name, value in (("machine/cpu_percent", 98.77), ("machine/memory_gb", 1.23)):
        history = client.get_metric_history(nested.info.run_id, name)
        assert [(m.step, m.value, m.timestamp) for m in history] == [
            (second, value, 1000 * (start + second) + 500) for second in (0, 10, 20)
        ]
    assert not any("gpu" in name for name in nested.data.metrics)  # what is not known is no number


def test_the_sheet_shows_the_kept_slices_and_their_classes(tmp_path: Path) -> None:
    from PIL import Image

    truth = np.zeros((1, 4, 4), np.uint8)
    truth[0, :2] = 2
    black = np.zeros((1, 4, 4), np.uint8)
    np.savez(tmp_path / "e.npz", image=black, truth=truth, prediction=black, case=np.array(["a"]), z=np.array([1]))
    sheet(tmp_path / "e.npz", tmp_path / "e.png")
    shown = np.asarray(Image.open(tmp_path / "e.png"))
    assert shown.shape == (HEAD + WIDTH, 3 * WIDTH, 3)
    middle, low = HEAD + WIDTH // 4, HEAD + 3 * WIDTH // 4
    assert (shown[middle, WIDTH + WIDTH // 2] == (0.55 * COLOURS[2]).round()).all()
    assert not shown[low].any() and not shown[middle, :WIDTH].any() and not shown[middle, 2 * WIDTH :].any()


def test_a_sheet_of_many_slices_stays_one_page(tmp_path: Path) -> None:
    from PIL import Image

    save_examples(tmp_path / "e.npz", 64)
    sheet(tmp_path / "e.npz", tmp_path / "e.png")
    assert Image.open(tmp_path / "e.png").size == (3 * WIDTH, 8 * (HEAD + WIDTH))
