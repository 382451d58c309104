"""Ray on this machine, started while the study is still being prepared, or the cluster that RAY_ADDRESS names."""

from __future__ import annotations

import logging
import os
import platform
import signal
import tempfile
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import alseg_core
import bench
from alseg_core.errors import AlsegError, ConfigError, ResultsError

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_DEDUP_LOGS": "1",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_MAX_PENDING_TRIALS_PG": "10000",
}
AHEAD = {"RAY_preload_python_modules": "ray.tune,bench.launchers.ray_preload"}
"""What worker processes import when they start, which is before they have anything to do."""
READY = "ALSEG_READY"
"""Folder in which a worker process leaves a file when it has imported that; see :mod:`bench.launchers.ray_preload`."""
READY_S = 30.0
"""Seconds after which workers that have not are no longer waited for."""
ASKED = 4
"""Runs that wait for a place on a cluster that was joined, so that its autoscaler sees that more places are wanted."""
COUNTED_S = 2.0
"""Seconds for which the places of a joined cluster are taken to stay as they were counted."""
SEEN_S = 120.0
"""Seconds in which every node must have told whether it sees the results' folder."""


class Cluster:
    """Ray for the time of a ``with`` block. It starts beside the block; :meth:`wait` is where Ray is needed.

    places: runs that go on at the same time. Our own Ray counts in places, so that it starts as many worker processes
    and no more; a cluster that is joined counts in cores. A thread of its own holds Ray, since the kernel ends Ray's
    processes with the thread that started them. An error on the way into the block waits until Ray is down again.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._counted = -COUNTED_S, 0
        self._up: Future[None] = Future()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._hold, name="ray", daemon=True)

    def __enter__(self) -> Self:
        _stop_by_term()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def wait(self) -> None:
        """Return when Ray is up. Raises AlsegError when it cannot be had."""
        self._up.result()
        _stop_by_term()  # Ray has put its own handler there, which leaves its processes behind

    def cpus(self, wanted: int) -> int:
        """What a run that wants so many cores asks of Ray."""
        return wanted if shared() else 1

    def room(self, cpus: int, gpus: float) -> int:
        """Runs of that size to ask Ray for at once; on a joined cluster it follows the nodes that are there."""
        if not shared():
            return self._places
        when, found = self._counted
        if time.monotonic() - when > COUNTED_S:
            found = ASKED + sum(fit(node, cpus, gpus) for node in _nodes())
            self._counted = time.monotonic(), found
        return found

    def check(self, folder: Path, cpus: int, gpus: float) -> None:
        """Raise ConfigError when no node has what one run asks for, ResultsError when one does not see ``folder``."""
        nodes = _nodes()
        places = [node for node in nodes if fit(node, cpus, gpus)]
        if not places:
            most = {kind: max((node["Resources"].get(kind, 0) for node in nodes), default=0) for kind in ("CPU", "GPU")}
            raise ConfigError(
                f"resources: a run wants {cpus} CPUs and {gpus:g} GPUs on one node, the cluster's nodes have at most "
                f"{most['CPU']:g} and {most['GPU']:g}; lower them (--set resources.gpus=0)."
            )
        if shared():
            _check_all_see(folder, places)

    def _hold(self) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="alseg-") as folder:
                os.environ[READY] = folder
                try:
                    self._serve(Path(folder))
                finally:
                    os.environ.pop(READY, None)
        except BaseException as error:
            if not self._up.done():
                self._up.set_exception(error)

    def _serve(self, folder: Path) -> None:
        _start(self._places)
        import ray

        try:
            if not shared():
                _share_environment()
                self._warm(folder)
            self._up.set_result(None)
            self._over.wait()
        finally:
            ray.shutdown()

    def _warm(self, folder: Path) -> None:
        """Wait for the worker processes: to one that still imports Ray would prefer a new one."""
        end = time.monotonic() + READY_S
        while len(list(folder.iterdir())) < self._places and time.monotonic() < end and not self._over.wait(0.05):
            pass


def _stop_by_term() -> None:
    """SIGTERM, which a cluster sends to a job whose time is over, stops a study as Ctrl-C does."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def shared() -> bool:
    """The study runs on a cluster, of which this machine may know nothing."""
    return bool(os.environ.get("RAY_ADDRESS"))


def fit(node: dict[str, Any], cpus: int, gpus: float) -> int:
    """Runs of that size that fit on a node, as :func:`ray.nodes` tells of it."""
    there = node["Resources"]
    # shares of a GPU are not added up over several
    by_gpu = int(there.get("GPU", 0)) * int(1 / gpus) if 0 < gpus < 1 else there.get("GPU", 0) / (gpus or 1)
    return int(min(there.get("CPU", 0) / cpus, by_gpu if gpus else float("inf")))


def _nodes() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def check_sight(folder: Path) -> None:
    """Raise ResultsError when this machine does not see the folder, or its results would stay where nobody looks."""
    if not folder.is_dir():
        raise ResultsError(
            f"node {platform.node()} does not see {folder}; OUT must be a folder on storage that all nodes share."
        )


def _check_all_see(folder: Path, nodes: list[dict[str, Any]]) -> None:
    """Ask every node. Raises ResultsError naming the first that does not see the folder or does not answer."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(check_sight)
    asked = {
        ask.options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
            folder
        ): node
        for node in nodes
    }
    _, silent = ray.wait(list(asked), num_returns=len(asked), timeout=SEEN_S)
    for answer, node in asked.items():
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


def _start(places: int) -> None:
    """Ray started, or the running cluster joined, and nothing of it on the terminal."""
    joined = shared()
    if joined and os.environ["RAY_ADDRESS"].startswith("ray://"):
        raise AlsegError(
            f"RAY_ADDRESS={os.environ['RAY_ADDRESS']} is an address of Ray Client, which is not supported. Run the "
            f"command on a node of the cluster with RAY_ADDRESS=<head>:6379, or through `ray job submit`."
        )
    for name, value in (QUIET if joined else {**QUIET, **AHEAD}).items():
        os.environ.setdefault(name, value)
    if not joined:  # its servers listen on every interface, whatever they are told; it reads this when it is imported
        os.environ["RAY_AUTH_MODE"] = "token"
    import ray

    for logger in ("ray", "ray.tune", "ray.train", "ray.data"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    if joined:
        own: dict[str, Any] = {"runtime_env": _shipped()}
    else:  # "local", or Ray would join what else runs here
        own = {"address": "local", "num_cpus": places, "include_dashboard": False}
    try:
        ray.init(log_to_driver=False, logging_level=logging.CRITICAL, ignore_reinit_error=True, **own)
    except Exception as error:  # where it does not start in time Ray raises nothing more special
        reason, way = next(iter(str(error).splitlines()), ""), "Try --local to run without Ray."
        if not joined:
            raise AlsegError(f"no Ray here: {reason} {way}") from None
        # `ray start` asks for a token as soon as its user has one, of which an address says nothing
        token = "" if "RAY_AUTH_MODE" in os.environ else "If it asks for a token, set RAY_AUTH_MODE=token. "
        address = os.environ["RAY_ADDRESS"]
        raise AlsegError(f"the cluster at RAY_ADDRESS={address} cannot be joined: {reason} {token}{way}") from None
    # Ray prints word of dead workers past every public setting; the run's failure says it in our display
    ray._private.worker._worker_logs_enabled = False


def _shipped() -> dict[str, Any]:
    """This program's code for the workers of a joined cluster: their nodes need its packages, not a checkout."""
    return {"py_modules": [str(Path(str(package.__file__)).parent) for package in (alseg_core, bench)]}


def _share_environment() -> None:
    """Let trials run in the worker processes that started with Ray and have our variables from there.

    Tune gives every trial a list of variables of its own, for which Ray starts further processes.
    """
    from ray.tune.execution import class_cache

    class_cache.DEFAULT_ENV_VARS.clear()
    class_cache.ENV_VARS_TO_PROPAGATE.clear()
