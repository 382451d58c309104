from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from alseg_core.errors import ResultsError
from bench.launchers import ray_cluster, ray_here, ray_join
from bench.launchers.ray_cluster import Cluster
from bench.study import experiments


def test_ray_starts_beside_other_work_and_ends_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    seen: list[object] = []
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray_here, "_start", lambda cpus, folder: seen.append((cpus, folder.is_dir(), go.wait(20))))
    monkeypatch.setattr(ray_cluster, "_share_environment", lambda: None)
    monkeypatch.setattr(Cluster, "_warm", lambda self, ready: seen.append(ready.is_dir()))
    monkeypatch.setattr(ray_cluster, "shut_down", lambda: seen.append("down"))
    with Cluster(3) as ray:
        assert seen == []  # the block goes on while Ray starts
        go.set()
        ray.wait()
        assert seen == [(3, True, True), True]
        assert ray.folder is not None and ray.folder.is_dir()
    assert seen == [(3, True, True), True, "down"]
    assert not ray.folder.exists()


@pytest.mark.parametrize("broken", ["_start", "started"])
def test_whatever_hinders_ray_is_said_and_nobody_waits_for_ever(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray_here, broken, fail)
    before = dict(os.environ)
    with pytest.raises(OSError, match="no space left"), Cluster(1) as ray:
        ray.wait()
    assert os.environ.keys() - before.keys() <= ray_here.QUIET.keys() | ray_here.AHEAD.keys()


def test_workers_are_waited_for_until_they_have_imported(tmp_path: Path) -> None:
    ray = Cluster(2)
    waiting = threading.Thread(target=ray._warm, args=(tmp_path,), daemon=True)
    (tmp_path / "1").touch()
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    environment = {**os.environ, ray_here.READY: str(tmp_path)}
    subprocess.run([sys.executable, "-c", "import bench.launchers.ray_preload"], env=environment, check=True)
    waiting.join(20)
    assert not waiting.is_alive()


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
    ray_join.check_sight(tmp_path)
    with pytest.raises(ResultsError, match="does not see .*missing.*all nodes share"):
        ray_join.check_sight(tmp_path / "missing")


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
from bench.launchers import ray_cluster, ray_here
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts with it ignored
ray_here._start = lambda cpus, folder: time.sleep(600)
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
