"""Ray on this machine, started while the data are prepared, or the cluster that RAY_ADDRESS names."""

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
from bench.launchers.ray_shutdown import shut_down

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
"""Environment variables that keep Ray silent and let it start all runs that fit; ones that are set already stay."""
AHEAD = {"RAY_preload_python_modules": "ray.tune,bench.launchers.ray_preload"}
"""Environment variable with the modules that worker processes import when they start, before they get a run."""
READY = "ALSEG_READY"
"""Environment variable with the folder where a worker process creates a file once it has imported these modules."""
READY_S = 30.0
"""How long to wait for workers to report ready, in seconds."""
PENDING = 4
"""Number of runs to keep waiting on a joined cluster, so that its autoscaler sees that more nodes are useful."""
COUNTED_S = 2.0
"""How long a count of the places of a joined cluster stays valid, in seconds."""
SEEN_S = 120.0
"""How long a node may take to report whether it sees the folder of the results, in seconds."""


class Cluster:
    """Ray for the duration of a ``with`` block. It starts in the background; :meth:`wait` returns once it is up.

    A separate thread holds Ray, because the kernel ends Ray's processes together with the thread that started them.
    Leaving the block waits until Ray has shut down.
    """

    def __init__(self, places: int) -> None:
        """places: number of runs at the same time on this machine.

        Ray on this machine gets as many CPUs as there are places, so that it starts exactly as many worker processes;
        a joined cluster counts cores.
        """
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
        """Wait until Ray is up. Raises AlsegError if it cannot be started or joined."""
        self._up.result()
        _stop_by_term()  # Ray has installed a handler that would leave its processes behind

    def cpus(self, wanted: int) -> int:
        """Return the number of Ray's CPUs that a run with ``wanted`` cores takes."""
        return wanted if shared() else 1

    def room(self, cpus: int, gpus: float) -> int:
        """Return how many runs of that size to give to Ray at once; a joined cluster may grow and shrink meanwhile."""
        if not shared():
            return self._places
        when, found = self._counted
        if time.monotonic() - when > COUNTED_S:
            found = PENDING + sum(fit(node, cpus, gpus) for node in _nodes())
            self._counted = time.monotonic(), found
        return found

    def check(self, folder: Path, cpus: int, gpus: float) -> None:
        """Raise ConfigError if no node is large enough for one run, ResultsError if one does not see ``folder``."""
        nodes = _nodes()
        fitting = [node for node in nodes if fit(node, cpus, gpus)]
        if not fitting:
            most = {kind: max((node["Resources"].get(kind, 0) for node in nodes), default=0) for kind in ("CPU", "GPU")}
            raise ConfigError(
                f"resources: a run wants {cpus} CPUs and {gpus:g} GPUs on one node, the cluster's nodes have at most "
                f"{most['CPU']:g} and {most['GPU']:g}; lower them (--set resources.gpus=0)."
            )
        if shared():
            _check_all_see(folder, fitting)

    def _hold(self) -> None:
        """Start Ray and hold it until the block ends; runs in a thread of its own."""
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
        """Hold Ray, whose workers report ready in ``folder``."""
        _start(self._places)
        try:
            if not shared():
                _share_environment()
                self._warm(folder)
            self._up.set_result(None)
            self._over.wait()
        finally:
            shut_down()

    def _warm(self, folder: Path) -> None:
        """Wait until the worker processes are ready; Ray would start another one instead of using one that is not."""
        end = time.monotonic() + READY_S
        while len(list(folder.iterdir())) < self._places and time.monotonic() < end and not self._over.wait(0.05):
            pass


def _stop_by_term() -> None:
    """Let SIGTERM, which a cluster sends to a job whose time is over, stop a study as Ctrl-C does."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def shared() -> bool:
    """Return whether RAY_ADDRESS names a cluster to join."""
    return bool(os.environ.get("RAY_ADDRESS"))


def fit(node: dict[str, Any], cpus: int, gpus: float) -> int:
    """Return how many runs of that size fit on a node of :func:`ray.nodes`."""
    resources = node["Resources"]
    # what is left of several GPUs does not add up to one
    by_gpu = int(resources.get("GPU", 0)) * int(1 / gpus) if 0 < gpus < 1 else resources.get("GPU", 0) / (gpus or 1)
    return int(min(resources.get("CPU", 0) / cpus, by_gpu if gpus else float("inf")))


def _nodes() -> list[dict[str, Any]]:
    """Return the nodes of the cluster that are alive."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def check_sight(folder: Path) -> None:
    """Raise ResultsError if this machine does not see the folder, where its results would be lost."""
    if not folder.is_dir():
        raise ResultsError(
            f"node {platform.node()} does not see {folder}; OUT must be a folder on storage that all nodes share."
        )


def _check_all_see(folder: Path, nodes: list[dict[str, Any]]) -> None:
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


def _start(places: int) -> None:
    """Start Ray with ``places`` CPUs or join the cluster at RAY_ADDRESS, without any of its output."""
    joined = shared()
    if joined and os.environ["RAY_ADDRESS"].startswith("ray://"):
        raise AlsegError(
            f"RAY_ADDRESS={os.environ['RAY_ADDRESS']} is an address of Ray Client, which is not supported. Run the "
            f"command on a node of the cluster with RAY_ADDRESS=<head>:6379, or through `ray job submit`."
        )
    for name, value in (QUIET if joined else {**QUIET, **AHEAD}).items():
        os.environ.setdefault(name, value)
    if not joined:  # its servers listen on every interface regardless; Ray reads this variable on import
        os.environ["RAY_AUTH_MODE"] = "token"
    import ray

    for logger in ("ray", "ray.tune", "ray.train", "ray.data"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    if joined:
        own: dict[str, Any] = {"runtime_env": _shipped()}
    else:  # "local", or Ray would join another Ray on this machine
        own = {"address": "local", "num_cpus": places, "include_dashboard": False}
    try:
        ray.init(log_to_driver=False, logging_level=logging.CRITICAL, ignore_reinit_error=True, **own)
    except Exception as error:  # Ray raises no more specific error when it does not start in time
        reason, hint = next(iter(str(error).splitlines()), ""), "Try --local to run without Ray."
        if not joined:
            raise AlsegError(f"Ray cannot be started on this machine: {reason} {hint}") from None
        # `ray start` requires a token as soon as its user has one, which the address does not show
        token = "" if "RAY_AUTH_MODE" in os.environ else "If it requires a token, set RAY_AUTH_MODE=token. "
        address = os.environ["RAY_ADDRESS"]
        raise AlsegError(f"the cluster at RAY_ADDRESS={address} cannot be joined: {reason} {token}{hint}") from None
    # Ray prints messages about dead workers regardless of its public settings; our display shows the run's failure
    ray._private.worker._worker_logs_enabled = False


def _shipped() -> dict[str, Any]:
    """Return a runtime environment that sends this program's code to the nodes, which need only its dependencies."""
    return {"py_modules": [str(Path(str(package.__file__)).parent) for package in (alseg_core, bench)]}


def _share_environment() -> None:
    """Let trials run in the worker processes that started with Ray, which have the driver's environment already.

    Tune would give every trial an environment of its own, for which Ray starts further processes.
    """
    from ray.tune.execution import class_cache

    class_cache.DEFAULT_ENV_VARS.clear()
    class_cache.ENV_VARS_TO_PROPAGATE.clear()
