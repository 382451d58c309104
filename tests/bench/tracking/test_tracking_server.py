"""A real ``mlflow server`` on 127.0.0.1 that is killed while a study is tracked, and comes back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from alseg_core.results import RunFolder
from bench.tracking import Background, Tracker
from tests.bench.tracking.test_tracking import make, record, steps, stored

START_S = 240.0


class Server:
    """SQLite and artifacts below a folder; killed as a machine dies, with all its workers."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--workers",
            "1",
            "--backend-store-uri",
            f"sqlite:///{folder / 'server.db'}",
            "--artifacts-destination",
            str(folder / "files"),
        ]
        self.start()

    def start(self) -> None:
        quiet = subprocess.DEVNULL
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self.process = subprocess.Popen(
            self.command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True
        )
        if not until(self.answers, START_S):
            self.kill()
            raise AssertionError("mlflow server did not start")

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.uri}/health", timeout=5).ok
        except requests.RequestException:
            return False

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    running = Server(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", running.uri)
    yield running
    running.kill()


def until(true: Callable[[], object], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.2)
    return False


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_server_that_is_killed_and_comes_back_has_everything_once(server: Server, tmp_path: Path) -> None:
    job, other = make(tmp_path, "k1", 1), make(tmp_path, "k2", 3)
    report = tmp_path / "report"
    report.mkdir()
    (report / "report.html").write_text("<h1>report</h1>")
    background = Background(Tracker("study", tmp_path), [job, other])
    background.changed(job.key)
    assert until(lambda: background.sent, 60)
    server.kill()
    RunFolder(job.folder).append(record(1))
    background.changed(job.key)
    background.changed(other.key)
    assert until(lambda: background.trouble is not None, 60)
    RunFolder(job.folder).append(record(2))
    background.changed(job.key)
    server.start()

    assert background.finish(report, 60) is None
    client, parent, runs = stored(tmp_path)
    assert {key: run.info.status for key, run in runs.items()} == {"k1": "FINISHED", "k2": "FINISHED"}
    assert all(steps(client, run) == [10, 20, 30] for run in runs.values())
    assert [a.path for a in client.list_artifacts(runs["k2"].info.run_id)] == ["selected.json"]
    assert [a.path for a in client.list_artifacts(parent.info.run_id, "report")] == ["report/report.html"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_server_that_stays_down_costs_the_tracking_which_the_same_command_makes_up_for(
    server: Server, tmp_path: Path
) -> None:
    job = make(tmp_path, "k1", 3)
    server.kill()
    trouble = Background(Tracker("study", tmp_path), [job]).finish(tmp_path / "report", 60)
    assert trouble is not None and f"1 of 1 runs not tracked in {server.uri}" in trouble
    server.start()
    assert Background(Tracker("study", tmp_path), [job]).finish(tmp_path / "report", 60) is None
    client, _, runs = stored(tmp_path)
    assert steps(client, runs["k1"]) == [10, 20, 30]
