from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from alseg_core.errors import AlsegError, ResultsError
from bench.launchers import ray_cluster
from bench.launchers.ray_cluster import Cluster
from bench.study import experiments


def test_ray_starts_beside_other_work_and_ends_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    seen: list[object] = []
    monkeypatch.setattr(ray_cluster, "_start", lambda cpus: seen.append((cpus, go.wait(20))))
    monkeypatch.setattr(ray_cluster, "_share_environment", lambda: None)
    monkeypatch.setattr(Cluster, "_warm", lambda self, folder: seen.append(folder.is_dir()))
    monkeypatch.setattr(ray_cluster, "shut_down", lambda: seen.append("down"))
    with Cluster(3) as ray:
        assert seen == []  # the block goes on while Ray starts
        go.set()
        ray.wait()
        assert seen == [(3, True), True]
    assert seen == [(3, True), True, "down"]


@pytest.mark.parametrize("broken", ["_start", "tempfile"])
def test_whatever_hinders_ray_is_said_and_nobody_waits_for_ever(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left")

    if broken == "_start":
        monkeypatch.setattr(ray_cluster, "_start", fail)
    else:
        monkeypatch.setattr("tempfile.TemporaryDirectory", fail)
    with pytest.raises(OSError, match="no space left"), Cluster(1) as ray:
        ray.wait()
    assert ray_cluster.READY not in os.environ


def test_workers_are_waited_for_until_they_have_imported(tmp_path: Path) -> None:
    ray = Cluster(2)
    waiting = threading.Thread(target=ray._warm, args=(tmp_path,), daemon=True)
    (tmp_path / "1").touch()
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    environment = {**os.environ, ray_cluster.READY: str(tmp_path)}
    subprocess.run([sys.executable, "-c", "import bench.launchers.ray_preload"], env=environment, check=True)
    waiting.join(20)
    assert not waiting.is_alive()


def test_ray_that_cannot_be_had_is_said_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setattr("ray.init", lambda **_: (_ for _ in ()).throw(ConnectionError("nobody there")))
    done = []
    told = "RAY_ADDRESS=127.0.0.1:1 cannot be joined: nobody there.*--local"
    with pytest.raises(AlsegError, match=told), Cluster(1) as ray:  # noqa: PT012  # what precedes the wait is done
        done.append("prepared")
        ray.wait()
    assert done == ["prepared"]


def test_an_address_of_ray_client_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(AlsegError, match="ray://head:10001 is an address of Ray Client.*head>:6379"), Cluster(1) as ray:
        ray.wait()


@pytest.mark.parametrize(
    ("there", "cpus", "gpus", "runs"),
    [
        ({"CPU": 8.0}, 1, 0, 8),
        ({"CPU": 8.0}, 3, 0, 2),
        ({"CPU": 8.0}, 1, 0.25, 0),
        ({"GPU": 1.0}, 1, 0.25, 0),
        ({"CPU": 8.0, "GPU": 1.0}, 1, 0.25, 4),
        ({"CPU": 8.0, "GPU": 2.0}, 1, 0.4, 4),  # what is left of one GPU and of the other is no place
        ({"CPU": 8.0, "GPU": 4.0}, 1, 2, 2),
        ({"CPU": 3.0, "GPU": 2.0}, 2, 0.25, 1),
    ],
)
def test_places_of_a_node(there: dict[str, float], cpus: int, gpus: float, runs: int) -> None:
    assert ray_cluster.fit({"Resources": there}, cpus, gpus) == runs


def test_a_machine_that_does_not_see_the_results_says_so(tmp_path: Path) -> None:
    ray_cluster.check_sight(tmp_path)
    with pytest.raises(ResultsError, match="does not see .*missing.*all nodes share"):
        ray_cluster.check_sight(tmp_path / "missing")


def test_the_cluster_file_is_valid_for_ray_up() -> None:
    import yaml
    from jsonschema import ValidationError
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((experiments() / "cluster.yaml").read_text())
    validate_config(prepare_config(config))
    with pytest.raises(ValidationError):
        validate_config(prepare_config({**config, "workers": 3}))


HANGS = """
import signal, time
from bench.launchers import ray_cluster
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts with it ignored
ray_cluster._start = lambda cpus: time.sleep(600)
with ray_cluster.Cluster(1):
    print("inside", flush=True)
    raise KeyboardInterrupt
"""


def test_a_second_interrupt_does_not_wait_for_ray(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HANGS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None and process.stdout.readline() == b"inside\n"
    time.sleep(0.2)
    process.send_signal(2)
    assert process.wait(120) != 0


def test_a_variable_that_is_set_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_DEDUP_LOGS", "0")
    for name in (*ray_cluster.QUIET, *ray_cluster.AHEAD):
        if name != "RAY_DEDUP_LOGS":
            monkeypatch.delenv(name, raising=False)
    given: list[dict[str, object]] = []
    monkeypatch.setattr("ray.init", lambda **settings: given.append(settings))
    ray_cluster._start(2)
    assert given[0]["num_cpus"] == 2 and os.environ["RAY_DEDUP_LOGS"] == "0"
    assert all(os.environ[name] == value for name, value in ray_cluster.AHEAD.items())


@pytest.mark.slow
def test_nobody_without_the_token_gets_at_our_own_ray(tmp_path: Path) -> None:
    program = """
import os, subprocess, sys
from bench.launchers.ray_cluster import Cluster
with Cluster(1) as cluster:
    cluster.wait()
    import ray
    address = ray.get_runtime_context().gcs_address
    knock = "import ray; ray.init(address=%r, log_to_driver=False); print(ray.cluster_resources())" % address
    for mode in ("token", "disabled"):
        guest = subprocess.run([sys.executable, "-c", knock], env={**os.environ, "RAY_AUTH_MODE": mode}, text=True,
                               capture_output=True, timeout=100)
        print(mode, guest.returncode == 0, "CPU" in guest.stdout)
"""
    open_to_all = {**os.environ, "RAY_AUTH_MODE": "disabled", "HOME": str(tmp_path)}  # nobody has made a token here
    told = subprocess.run([sys.executable, "-c", program], env=open_to_all, capture_output=True, text=True, timeout=150)
    assert told.stdout.splitlines() == ["token True True", "disabled False False"], told.stdout + told.stderr
