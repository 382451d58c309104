"""RAY_ADDRESS that leads nowhere, or to something that is not Ray."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from alseg_core.errors import AlsegError
from bench.cli import main
from bench.launchers import ray_join
from bench.launchers.ray_cluster import Cluster

WEB = b"HTTP/1.1 400 Bad Request\r\n\r\n"
"""The first words of a web server."""
GRPC = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""The first words of a gRPC server, an empty frame of settings; ours says nothing more."""


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[int]:
    """Port of a server that says the parameter to everybody, a part every tenth of a second."""
    kept = ExitStack()

    def serve() -> None:
        with suppress(OSError):
            while True:
                guest, _ = listening.accept()
                kept.enter_context(guest)
                for part in request.param:
                    guest.sendall(part)
                    time.sleep(0.1)

    with kept, socket.create_server(("", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)


def closed() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:CLOSED", r"no Ray answers at .* \(Connection refused\); start Ray there with `ray start"),
        ("[::1]:CLOSED", r"no Ray answers at .* \(.+\)"),  # a machine may have no IPv6
        ("no-such-host.invalid:6379", r"no Ray answers at .* \(.*[Nn]ame.*\).* or unset RAY_ADDRESS"),
        (f"{'a' * 64}:6379", r"no Ray answers at RAY_ADDRESS=a{64}:6379 \(no host can have this name\); start Ray"),
        ("..:1", r"no Ray answers at RAY_ADDRESS=..:1 \(no host can have this name\)"),
        ("head..node:6379", r"\(no host can have this name\)"),
        ("head", "RAY_ADDRESS=head is not an address; <head>:6379, auto and local are"),
        ("head:", "is not an address"),
        (":6379", "is not an address"),
        ("head:99999", "is not an address"),
        ("ray://head:10001", "ray://head:10001 is an address of Ray Client.*head>:6379"),
    ],
)
def test_an_address_that_leads_nowhere_is_said_at_once(
    address: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address.replace("CLOSED", str(closed())))
    begun = time.monotonic()
    with pytest.raises(AlsegError, match=told), Cluster(1):
        raise AssertionError
    assert time.monotonic() - begun < 20
    assert not [thread for thread in threading.enumerate() if thread.name == "ray"]


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ([], "no answer in 1 s"),
        ([b"\0"] * 3, "no answer in 1 s"),
        ([WEB], "another kind of server"),
        ([WEB[:2], WEB[2:]], "another kind of server"),
    ],
    indirect=["server"],
    ids=["mute", "mute after three bytes", "web", "web in two parts"],
)
def test_a_server_that_is_not_ray_is_said_at_once(server: int, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_join, "KNOCK_S", 1.0)
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{server}")
    with pytest.raises(AlsegError, match=rf"no Ray answers at RAY_ADDRESS=127.0.0.1:{server} \({told}"), Cluster(1):
        raise AssertionError


def test_a_study_at_a_dead_address_leaves_no_trace(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{closed()}")
    result = CliRunner().invoke(main, ["bench", str(study_file), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2 and result.stderr.startswith("error: no Ray answers at RAY_ADDRESS="), result.output
    assert not (tmp_path / "out" / "small").exists()


def test_local_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for address, joined in {"": False, "local": False, "auto": True, "head:6379": True}.items():
        monkeypatch.setenv("RAY_ADDRESS", address.replace("CLOSED", str(closed())))
        assert ray_join.shared() == joined


@pytest.mark.parametrize(
    "server",
    [[GRPC], [GRPC[:1], GRPC[1:]], [GRPC[:3], GRPC[3:]], [bytes([byte]) for byte in GRPC]],
    indirect=True,
    ids=["whole", "1 and 8", "3 and 6", "byte by byte"],
)
def test_a_server_of_ray_may_answer_in_parts(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{server}")
    ray_join.check_address()


@pytest.mark.parametrize("server", [[GRPC]], indirect=True, ids=["grpc"])
def test_a_signal_ends_a_join_that_hangs(server: int) -> None:
    program = (
        "from bench.launchers.ray_cluster import Cluster\nwith Cluster(1) as c:\n    print(1, flush=True)\n    c.wait()"
    )
    environment = {**os.environ, "RAY_ADDRESS": f"127.0.0.1:{server}"}
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "1\n"
    time.sleep(3)  # Ray is being imported, then it waits for the server
    process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    _, told = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT and "KeyboardInterrupt" in told, told
    assert time.monotonic() - begun < 30
