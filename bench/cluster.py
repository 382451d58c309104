"""Ray on this machine, started while the study is still being prepared, or the cluster that RAY_ADDRESS names."""

from __future__ import annotations

import logging
import os
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

    cpus: cores that Ray may give away, None = all; as many worker processes start at once. A thread of its own holds
    Ray, since the kernel ends Ray's processes with the thread that started them.
    """

    def __init__(self, cpus: int | None = None) -> None:
        self._cpus = cpus or os.cpu_count() or 1
        self._up: Future[None] = Future()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._hold, name="ray", daemon=True)

    def __enter__(self) -> Self:
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

    def _hold(self) -> None:
        with tempfile.TemporaryDirectory(prefix="alseg-") as folder:
            os.environ[READY] = folder
            try:
                _start(self._cpus)
            except BaseException as error:
                self._up.set_exception(error)
                return
            import ray

            try:
                if not _shared():
                    _share_environment()
                    self._warm(Path(folder))
                self._up.set_result(None)
                self._over.wait()
            except BaseException as error:
                self._up.set_exception(error)
            finally:
                ray.shutdown()
                os.environ.pop(READY, None)

    def _warm(self, folder: Path) -> None:
        """Wait for the worker processes: to one that still imports Ray would prefer a new one."""
        end = time.monotonic() + READY_S
        while len(list(folder.iterdir())) < self._cpus and time.monotonic() < end and not self._over.wait(0.05):
            pass


def _shared() -> bool:
    return bool(os.environ.get("RAY_ADDRESS"))


def _start(cpus: int) -> None:
    """Ray started, or the running cluster joined, and nothing of it on the terminal."""
    shared = _shared()
    for name, value in (QUIET if shared else {**QUIET, **AHEAD}).items():
        os.environ.setdefault(name, value)
    import ray

    for logger in ("ray", "ray.tune", "ray.train", "ray.data"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    own = {} if shared else {"num_cpus": cpus, "include_dashboard": False}
    try:
        ray.init(log_to_driver=False, logging_level=logging.CRITICAL, ignore_reinit_error=True, **own)
    except (OSError, RuntimeError, ValueError) as error:
        wanted = f"the cluster at RAY_ADDRESS={os.environ['RAY_ADDRESS']} cannot be joined" if shared else "no Ray here"
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
