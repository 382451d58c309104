"""Ray and MLflow as servers of their own, on 127.0.0.1, as a user starts them; the code comes from the driver."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from alseg_core.errors import ConfigError, ResultsError
from alseg_core.results import RunFolder
from bench.launchers import ray_tune
from bench.launchers.launcher import Policy
from bench.launchers.ray_cluster import Cluster
from bench.study import Study, experiments
from bench.study.job import Job, RunEnded, StudyEvent

HIDE = """
import os, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("alseg_core", "bench"):
            sys.path[:] = [at for at in sys.path if "py_modules" in at or not os.path.isdir(os.path.join(at, name))]
            if not any("py_modules" in at for at in sys.path):
                raise ModuleNotFoundError(f"No module named {name!r}: this machine has no checkout")
sys.meta_path.insert(0, Absent())
"""
"""A machine on which this program is not, nor the folders of the driver: only what Ray brings can be imported."""
STARTS_S = 120.0


def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def end_all(mark: str) -> None:
    """End the processes whose command line has the mark."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int(entry.name) != os.getpid() and mark in (entry / "cmdline").read_text():
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue


@dataclass
class Head:
    address: str
    auth: dict[str, str]
    environment: dict[str, str]


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """``ray start --head`` on a machine without this program, that Ray believes to have 8 cores and a GPU."""
    hidden = tmp_path_factory.mktemp("hidden")
    (hidden / "sitecustomize.py").write_text(HIDE)
    own = tempfile.mkdtemp(prefix="alseg-ray-", dir="/tmp")  # a short path, as Ray's sockets are in it
    number = port()
    command = [
        str(Path(sys.executable).with_name("ray")),
        "start",
        "--head",
        "--block",
        "--num-cpus=8",
        "--num-gpus=1",
        "--include-dashboard=false",
        "--disable-usage-stats",
        "--node-ip-address=127.0.0.1",
        f"--port={number}",
        f"--temp-dir={own}",
    ]
    # this process may have had a Ray of its own, after which it uses a token; server and driver must agree
    auth = {"RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "disabled")}
    environment = {**os.environ, **auth, "PYTHONPATH": str(hidden)}
    server = subprocess.Popen(
        command, env=environment, cwd=hidden, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if "Ray runtime started" in line:
                break
        else:
            raise AssertionError("ray start ended")
        yield Head(f"127.0.0.1:{number}", auth, environment)
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
        end_all(own)
        shutil.rmtree(own, ignore_errors=True)


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``mlflow server`` with a store and artifacts of its own."""
    folder, number = tmp_path_factory.mktemp("mlflow"), port()
    command = [
        str(Path(sys.executable).with_name("mlflow")),
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(number),
        "--workers",
        "1",
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        end = time.monotonic() + STARTS_S
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{number}/health", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None and time.monotonic() < end
                time.sleep(0.2)
        yield f"http://127.0.0.1:{number}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_whole_study_on_servers(study_file: Path, tmp_path: Path, head: Head, mlflow: str) -> None:
    from mlflow import MlflowClient

    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "bench.cli", "bench", str(study_file), "--out", str(out)],
        env={**os.environ, **head.auth, "RAY_ADDRESS": head.address, "MLFLOW_TRACKING_URI": mlflow},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == "" and "not tracked" not in done.stdout and "trying again" not in done.stdout
    folders = [RunFolder(path) for path in (out / "small" / "runs").iterdir()]
    assert [len(folder.records()) for folder in folders] == [3, 3]
    assert not (out / "mlflow.db").exists()

    client = MlflowClient(tracking_uri=mlflow)
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 3  # the study's and those of its two runs
    tracked = {run.data.tags["alseg.key"]: run for run in runs if "alseg.key" in run.data.tags}
    assert tracked.keys() == {folder.path.name for folder in folders}
    for folder in folders:
        run = tracked[folder.path.name]
        dice = [metric.value for metric in client.get_metric_history(run.info.run_id, "dice")]
        assert dice == pytest.approx([record.summary["dice"] for record in folder.records()], abs=5e-5)  # rounded
        assert client.list_artifacts(run.info.run_id)
    (parent,) = (run for run in runs if "alseg.key" not in run.data.tags)
    assert client.list_artifacts(parent.info.run_id, "report")


def held(study: Path) -> int:
    """Run folders that are in use."""
    held = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                links = {os.readlink(link) for link in (entry / "fd").iterdir()}
            except OSError:
                continue
            held |= {link for link in links if link.startswith(f"{study}/runs/") and link.endswith("/lock")}
    return len(held)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_shares_of_a_gpu_and_code_that_comes_from_the_driver(
    study_file: Path, tmp_path: Path, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = subprocess.run(
        [sys.executable, "-c", "import alseg_core"], env=head.environment, cwd="/", capture_output=True, text=True
    )
    assert "this machine has no checkout" in absent.stderr

    monkeypatch.setenv("RAY_ADDRESS", head.address)
    monkeypatch.setenv("RAY_AUTH_MODE", head.auth["RAY_AUTH_MODE"])
    study = Study.find(str(study_file), ["seeds=3", "device=cpu", "train.scribble.iterations_full=150"])
    folder = tmp_path / "out" / study.name
    jobs = [Job.of(config, folder) for config in study.runs()]
    ends: list[str | None] = []
    used: list[float] = []
    at_once: list[int] = []

    with Cluster(1) as cluster:
        cluster.wait()
        import ray

        def tell(key: str, event: StudyEvent) -> None:
            used.append(ray.cluster_resources()["GPU"] - ray.available_resources().get("GPU", 0.0))
            at_once.append(held(folder))
            if isinstance(event, RunEnded):
                ends.append(event.failure)

        origin = ray.remote(num_cpus=0)(lambda: __import__("alseg_core").__file__)
        assert "runtime_resources" in ray.get(origin.remote())
        with pytest.raises(ConfigError, match="wants 1 CPUs and 2 GPUs on one node.*at most 8 and 1"):
            cluster.check(tmp_path, 1, 2)
        with pytest.raises(ResultsError, match="node .* does not see /nowhere.*storage that all nodes share"):
            cluster.check(Path("/nowhere"), 1, 0.25)
        store = tmp_path / "out" / "store"
        ray_tune.execute(jobs, Policy(folder, store, cpus=1, gpus=0.25), tell, cluster)
    assert ends == [None] * len(jobs)
    assert all(len(RunFolder(job.folder).records()) == job.rounds for job in jobs)
    assert max(used) == 1.0  # four at once, though there are cores for eight
    assert 1 <= max(at_once) <= 4


SRUN = """#!/usr/bin/env bash
while [[ "$1" == --* ]]; do shift; done
exec "$@"
"""
"""Slurm's srun, of which every node is this machine."""
SCONTROL = """#!/usr/bin/env bash
[ "$1 $2 $3" = "show hostnames two-nodes" ] && printf 'one\\ntwo\\n'
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("outcome", ["finished", "failed"])
def test_the_slurm_script_starts_ray_runs_the_command_and_cleans_up(
    outcome: str, study_file: Path, tmp_path: Path
) -> None:
    shims, job = tmp_path / "shims", str(port() * 10_000 + os.getpid() % 10_000)
    shims.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (shims / name).write_text(text)
        (shims / name).chmod(0o755)
    slurm = {
        "SLURM_JOB_ID": job,
        "SLURM_JOB_NODELIST": "two-nodes",
        "SLURM_CPUS_PER_TASK": "1",
        "SLURM_SUBMIT_DIR": str(tmp_path),
        "ALSEG_BIN": str(Path(sys.executable).parent),
    }
    study = str(study_file) if outcome == "finished" else "no_such_study"
    done = subprocess.run(
        ["bash", str(experiments() / "slurm.sh"), "bench", study, "--out", str(tmp_path / "out")],
        env={**os.environ, **slurm, "PATH": f"{shims}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    if outcome == "finished":
        assert done.returncode == 0, done.stdout + done.stderr
        folders = [RunFolder(path) for path in (tmp_path / "out" / "small" / "runs").iterdir()]
        assert [len(folder.records()) for folder in folders] == [3, 3]
    else:
        assert done.returncode == 2 and "no_such_study" in done.stderr, done.stdout + done.stderr
    assert not Path(f"/tmp/alseg-ray-{job}").exists()
    assert not [line for line in commands() if f"alseg-ray-{job}" in line]


def commands() -> list[str]:
    """Command lines of all processes."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            found.append((entry / "cmdline").read_text() if entry.name.isdigit() else "")
        except OSError:
            continue
    return found
