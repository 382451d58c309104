"""Joining the Ray cluster that RAY_ADDRESS names."""

from __future__ import annotations

import logging
import os
import platform
import socket
import time
from pathlib import Path
from typing import Any

import alseg_core
import bench
from alseg_core.errors import AlsegError, ConfigError, ResultsError
from bench.launchers.ray_here import QUIET, silence

KNOCK_S = 5.0
"""How long a server may take to accept a connection, in seconds."""
HEAD_S = 30.0
"""How long the head of the cluster may be away, in seconds; it may be restarted."""
NODE_S = 4.0
"""How long the node on this machine may be away, in seconds; Ray ends this process after 10 to 15."""
SETTINGS = bytes([4])
"""Fourth byte of a frame of settings in HTTP/2, with which Ray's servers, like all of gRPC, begin."""
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + SETTINGS + bytes(5)
"""What a client of HTTP/2 says first: the preface and an empty frame of settings."""
SEEN_S = 120.0
"""How long a node may take to report whether it sees the folder of the results, in seconds."""


def shared() -> bool:
    """Return whether RAY_ADDRESS names a cluster to join; "local" is Ray's word for none."""
    return os.environ.get("RAY_ADDRESS", "") not in ("", "local")


def check_address() -> None:
    """Raise ConfigError if RAY_ADDRESS is not an address, AlsegError if nothing answers there.

    Ray itself tries for minutes, and cannot be interrupted meanwhile.
    """
    address = os.environ["RAY_ADDRESS"]
    if "://" in address:
        raise ConfigError(
            f"RAY_ADDRESS={address} is an address of Ray Client, which is not supported. Run the command on a node of "
            f"the cluster with RAY_ADDRESS=<head>:6379, or through `ray job submit`."
        )
    host, _, port = (_found() if address == "auto" else address).rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 2**16):
        raise ConfigError(f"RAY_ADDRESS={address} is not an address; <head>:6379, auto and local are.")
    secret = os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")  # then only Ray can talk to it
    if (reason := knock(host.strip("[]"), int(port), b"" if secret else GREETING)) is not None:
        raise AlsegError(
            f"no Ray answers at RAY_ADDRESS={address} ({reason}); start Ray there with `ray start --head`, correct "
            f"the address, or unset RAY_ADDRESS to run on this machine."
        )


def _found() -> str:
    """Return the address of the cluster that Ray finds on this machine."""
    from ray._private import services

    try:
        return str(services.canonicalize_bootstrap_address("auto"))
    except ConnectionError:
        raise AlsegError(
            "RAY_ADDRESS=auto, but no Ray is running on this machine; start it with `ray start --head`, or unset "
            "RAY_ADDRESS to run without a cluster."
        ) from None


def knock(host: str, port: int, greeting: bytes = b"") -> str | None:
    """Return why no connection to a server is possible, or what else is there than Ray; None if all is well.

    greeting: :data:`GREETING`, or nothing to be content with a connection.
    """
    try:
        with socket.create_connection((host, port), timeout=KNOCK_S) as server:
            server.sendall(greeting)
            if greeting and _first(server, 4)[3:] != SETTINGS:
                return "another kind of server is there"
    except UnicodeError:
        return "no host can have this name"
    except OSError as error:
        return f"no answer in {KNOCK_S:.0f} s" if isinstance(error, TimeoutError) else error.strerror or str(error)
    return None


def _first(server: socket.socket, count: int) -> bytes:
    """Return the first ``count`` bytes that a server sends, less if it ends the connection.

    Raises TimeoutError if they take longer than :data:`KNOCK_S` in all.
    """
    told, end = b"", time.monotonic() + KNOCK_S
    while len(told) < count:
        server.settimeout(max(end - time.monotonic(), 0.001))  # 0 would mean not to wait at all
        if not (part := server.recv(count - len(told))):
            break
        told += part
    return told


def join() -> None:
    """Join the cluster at RAY_ADDRESS, without any of Ray's output. Raises AlsegError if that is not possible."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    silence()
    # sends this program's code to the nodes, which need only its dependencies
    shipped = {"py_modules": [str(Path(str(package.__file__)).parent) for package in (alseg_core, bench)]}
    try:
        ray.init(log_to_driver=False, logging_level=logging.CRITICAL, ignore_reinit_error=True, runtime_env=shipped)
    except Exception as error:  # Ray raises no more specific error
        # `ray start` requires a token as soon as its user has one, which the address does not show
        token = "" if "RAY_AUTH_MODE" in os.environ else "If it requires a token, set RAY_AUTH_MODE=token. "
        raise AlsegError(
            f"the cluster at RAY_ADDRESS={os.environ['RAY_ADDRESS']} cannot be joined: "
            f"{next(iter(str(error).splitlines()), '')} {token}Try --local to run without Ray."
        ) from None


class Servers:
    """The two servers without which this program ends: the cluster's head, and the node on this machine."""

    def __init__(self) -> None:
        import ray

        context = ray.get_runtime_context()
        head, _, port = context.gcs_address.rpartition(":")
        (own,) = (node for node in ray.nodes() if node["NodeID"] == context.get_node_id())
        self._places = {
            "its head": (head, int(port), HEAD_S),
            "its node on this machine": (own["NodeManagerAddress"], own["NodeManagerPort"], NODE_S),
        }
        self._heard = dict.fromkeys(self._places, time.monotonic())

    def lost(self) -> str | None:
        """Return which server has not answered for too long, None if both are there."""
        for name, (host, port, patience) in self._places.items():
            if (reason := knock(host, port)) is None:
                self._heard[name] = time.monotonic()
            elif time.monotonic() - self._heard[name] > patience:
                return f"{name} does not answer: {reason}"
        return None


def nodes() -> list[dict[str, Any]]:
    """Return the nodes of the cluster that are alive."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def check_sight(folder: Path) -> None:
    """Raise ResultsError if this machine does not see the folder, where its results would be lost."""
    if not folder.is_dir():
        raise ResultsError(
            f"node {platform.node()} does not see {folder}; OUT must be a folder on storage that all nodes share."
        )


def check_all_see(folder: Path, nodes: list[dict[str, Any]]) -> None:
    """Raise ResultsError naming the first node that does not see the folder or does not answer in time."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    check = ray.remote(check_sight)

    def ask(node: dict[str, Any]) -> Any:
        on_node = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        return check.options(num_cpus=0, scheduling_strategy=on_node).remote(folder)

    answers = {ask(node): node for node in nodes}
    _, silent = ray.wait(list(answers), num_returns=len(answers), timeout=SEEN_S)
    for answer, node in answers.items():
        where = f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        if answer in silent:
            raise ResultsError(f"{where} did not say within {SEEN_S:.0f} s whether it sees {folder}.")
        try:
            ray.get(answer)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, ResultsError):
                raise ResultsError(f"{error.cause}") from None
            reason = next(iter(str(error.cause).splitlines()), "")
            raise AlsegError(f"{where} cannot run this program: {type(error.cause).__name__}: {reason}") from None
        except ray.exceptions.RayError as error:
            raise AlsegError(f"{where} cannot run this program: {next(iter(str(error).splitlines()), '')}") from None
