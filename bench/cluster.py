"""Ray on this machine, started while the study is still being prepared, or the cluster that RAY_ADDRESS names."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self

from alseg_core.errors import AlsegError

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
    "TUNE_GLOBAL_CHECKPOINT_S": "60",
}
AHEAD = {"RAY_preload_python_modules": "ray.tune,bench.ahead"}
"""What worker processes import when they start, which is before they have anything to do."""
READY = "ALSEG_READY"
"""Folder in which a worker process leaves a file when it has imported that; see :mod:`bench.ahead`."""
READY_S = 30.0
"""Seconds after which workers that have not are no longer waited for."""


class Cluster:
    """Ray for the time of a ``with`` block. It starts beside the block; :meth:`wait` is where Ray is needed.

    places: runs that go on at the same time. Our own Ray counts in places, so that it starts as many worker processes
    and no more; a cluster that is joined counts in cores. A thread of its own holds Ray, since the kernel ends Ray's
    processes with the thread that started them. An error on the way into the block waits until Ray is down again.
    """

    def __init__(self, places: int) -> None:
        self._places = places
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


def _start(places: int) -> None:
    """Ray started, or the running cluster joined, and nothing of it on the terminal."""
    joined = shared()
    for name, value in (QUIET if joined else {**QUIET, **AHEAD}).items():
        os.environ.setdefault(name, value)
    import ray

    for logger in ("ray", "ray.tune", "ray.train", "ray.data"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    own = {} if joined else {"num_cpus": places, "include_dashboard": False}
    try:
        ray.init(log_to_driver=False, logging_level=logging.CRITICAL, ignore_reinit_error=True, **own)
    except (OSError, RuntimeError, ValueError) as error:
        wanted = f"the cluster at RAY_ADDRESS={os.environ['RAY_ADDRESS']} cannot be joined" if joined else "no Ray here"
        raise AlsegError(
            f"{wanted}: {next(iter(str(error).splitlines()), '')} Try --local to run without Ray."
        ) from None
    # Ray prints word of dead workers past every public setting; the run's failure says it in our display
    ray._private.worker._worker_logs_enabled = False


def _share_environment() -> None:
    """Let trials run in the worker processes that started with Ray and have our variables from there.

    Tune gives every trial a list of variables of its own, for which Ray starts further processes.
    """
    from ray.tune.execution import class_cache

    class_cache.DEFAULT_ENV_VARS.clear()
    class_cache.ENV_VARS_TO_PROPAGATE.clear()
