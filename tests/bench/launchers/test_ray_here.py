"""Ray on this machine: who gets at it, and what it needs to start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from alseg_core.errors import AlsegError
from bench.launchers import ray_here

ALONE = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "ALSEG_READY"))}
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}
"""127.0.0.1 as the kernel writes it, in IPv4 and in IPv6."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home of the user who starts Ray."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def told(home: Path) -> dict[str, Any]:
    """What the program ``own_ray`` has found out."""
    program = [sys.executable, "-m", "tests.bench.launchers.own_ray"]
    environment = {**ALONE, "HOME": str(home)}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_no_other_machine_gets_at_ray_and_its_token_is_nowhere(told: dict[str, Any], home: Path) -> None:
    assert told["processes"] >= 5  # this one, GCS, raylet, log monitor, worker
    assert set(told["listening"]) <= LOOPBACK and told["listening"]
    assert told["mode"] == "drwx------"
    assert not told["token in commands"] and told["token in files"] == [] and told["left"] == [False, False]
    assert not [path for path in home.rglob("*") if path.is_file()]  # Ray would keep a token there for good


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
@pytest.mark.parametrize(
    ("guest", "seen"),
    [("guesses", "AuthenticationError"), ("knows nothing", "AuthenticationError"), ("has it", "True")],
)
def test_no_other_user_gets_at_ray_without_its_token(guest: str, seen: str, told: dict[str, Any]) -> None:
    assert told[guest] == {"Ray": seen, "folder": "PermissionError", "environments": ["PermissionError"]}


SECOND = """
import ray  # before anything of ours
from bench.launchers.ray_cluster import Cluster
tokens = set()
for _ in range(2):
    with Cluster(1) as cluster:
        cluster.wait()
        import os
        tokens.add(os.environ["RAY_AUTH_TOKEN"])
        print(ray.get(ray.remote(lambda: 6 * 7).remote()), len(list((cluster.folder / "ready").iterdir())))
print(len(tokens), os.environ.get("RAY_AUTH_MODE"))
"""


@pytest.mark.slow
def test_ray_can_start_again_in_one_process_with_another_token() -> None:
    environment = {**ALONE, "RAY_AUTH_MODE": "disabled"}
    done = subprocess.run([sys.executable, "-c", SECOND], env=environment, capture_output=True, text=True, timeout=200)
    assert done.stdout.split() == ["42", "1", "42", "1", "2", "disabled"], done.stdout + done.stderr


def test_a_start_that_times_out_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Exception | None] = [Exception("The current node timed out during startup."), None]
    given: list[dict[str, object]] = []

    def init(**settings: object) -> None:
        given.append(settings)
        if (error := answers.pop(0)) is not None:
            raise error

    monkeypatch.setattr("ray.init", init)
    ray_here._start(3, tmp_path)
    assert not answers and [settings["num_cpus"] for settings in given] == [3, 3]

    answers += [TimeoutError("Timed out waiting for file gcs_server_port")] * ray_here.TRIES
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 0.0, 0.0))
    with pytest.raises(AlsegError, match="on this machine: Timed out.* busy .load 99.0 on .* Try --local"):
        ray_here._start(3, tmp_path)
    assert not answers

    answers += [ValueError("num_cpus must be"), None]
    with pytest.raises(AlsegError, match="cannot be started on this machine: num_cpus must be"):
        ray_here._start(3, tmp_path)
    assert answers == [None]  # another try would not help


def test_too_little_address_space_is_said_before_anything_starts() -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))"
    program = f"{limit}\nfrom bench.launchers.ray_cluster import Cluster\nwith Cluster(1): pass"
    done = subprocess.run([sys.executable, "-c", program], env=ALONE, capture_output=True, text=True, timeout=100)
    assert (
        "Ray needs 4 GB of address space, and this process may use 3.0 GB; raise the limit (ulimit -v)" in done.stderr
    )


LOST = """
import os, signal, sys, time
from bench.launchers.ray_cluster import Cluster
from alseg_core.errors import AlsegError
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a job in the background
try:
    with Cluster(1) as cluster:
        cluster.wait()
        import ray
        servers = ray._private.worker._global_node.all_processes
        with cluster.guarded():
            waiting = ray.remote(lambda: time.sleep(600)).remote()
            os.kill(servers[sys.argv[1]][0].process.pid, signal.SIGKILL)
            ray.get(waiting)
except AlsegError as error:
    print(error, cluster.folder.exists(), flush=True)
    sys.exit(3)
"""


@pytest.mark.parametrize("server", ["raylet", pytest.param("gcs_server", marks=pytest.mark.slow)])
def test_a_lost_ray_is_one_error_at_once(server: str) -> None:
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", LOST, server], env=ALONE, capture_output=True, text=True, timeout=200)
    lost = f"Ray was lost while the study was running; its process {server} has ended"
    assert done.stdout.startswith(lost) and "the same command continues from there. False" in done.stdout, done.stderr
    assert done.returncode == 2 and time.monotonic() - begun < 55  # Ray itself waits a minute, then exits with 1
