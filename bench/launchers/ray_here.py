"""Starting Ray on this machine, where no other user and no other machine gets at it."""

from __future__ import annotations

import logging
import os
import resource
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alseg_core.errors import AlsegError
from bench.launchers.ray_folder import SESSIONS, end_processes
from bench.launchers.ray_shutdown import shut_down
from bench.planning.cores import busy

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_DEDUP_LOGS": "1",
    "RAY_ENABLE_AUTO_CONNECT": "0",
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
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Environment variable that decides whether Ray may span machines; if not, it only listens on 127.0.0.1."""
OBJECTS = 128 * 2**20
"""Size of Ray's object store in bytes. It only holds the configurations of the runs; every process maps all of it."""
TRIES = 3
"""How often Ray may fail to start in time."""
ADDRESSES = 4 * 2**30
"""Address space in bytes that Ray needs; with less it hangs or ends this process."""


def check_limits() -> None:
    """Raise AlsegError if this process may use too little address space for Ray."""
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if space != resource.RLIM_INFINITY and space < ADDRESSES:
        raise AlsegError(
            f"Ray needs {ADDRESSES / 2**30:.0f} GB of address space, and this process may use {space / 2**30:.1f} GB; "
            f"raise the limit (ulimit -v), or try --local to run without Ray."
        )


@contextmanager
def started(places: int, folder: Path) -> Iterator[Path]:
    """Start Ray with ``places`` CPUs and its files in ``folder``; return where its workers report ready.

    Everybody who can reach Ray can run programs as its user, so it only listens on 127.0.0.1, and asks for a random
    token that is nowhere but in the environment of its processes. The block shuts Ray down before it ends. Raises
    AlsegError if Ray does not start.
    """
    ready = folder / "ready"
    ready.mkdir()
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    for name, value in {**QUIET, **AHEAD}.items():
        os.environ.setdefault(name, value)
    with _environment({**token, LOOPBACK: "0", READY: str(ready)}):
        _start(places, folder)
        yield ready


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables in the block, and let Ray notice if it has been imported before."""
    import ray  # noqa: F401

    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    _reread()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _reread()


def _reread() -> None:
    """Let Ray read its environment variables again, which it has done on import."""
    from ray._private import ray_constants
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # compiled

    ray_constants.ENABLE_RAY_CLUSTER = ray_constants.env_bool(LOOPBACK, not ray_constants.IS_WINDOWS_OR_OSX)
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _start(places: int, folder: Path) -> None:
    """Start Ray, again if it does not start in time."""
    import ray

    silence()
    for left in reversed(range(TRIES)):
        try:
            ray.init(
                address="local",  # or Ray would join another Ray on this machine
                num_cpus=places,
                include_dashboard=False,
                object_store_memory=OBJECTS,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                ignore_reinit_error=True,
                _temp_dir=str(folder / SESSIONS),
            )
            return
        except Exception as error:  # Ray raises no more specific error when it does not start in time
            with suppress(Exception):
                shut_down()
            end_processes(folder)
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            if not left or "timed out" not in reason.lower():
                load = busy()
                hint = f"This machine is busy ({load}). " if load else ""
                raise AlsegError(
                    f"Ray cannot be started on this machine: {reason} {hint}Try --local to run without Ray."
                ) from None


def lost() -> str | None:
    """Return which of Ray's servers on this machine has ended, None if all that are needed run."""
    import ray

    node = ray._private.worker._global_node
    ended = {kind for kind, _ in node.dead_processes()} if node is not None else set()
    needed = sorted(ended & {"gcs_server", "raylet"})
    return f"its process {needed[0]} has ended: it was killed, or ran out of memory" if needed else None


def silence() -> None:
    """Keep Ray from printing; the display shows what happens to a run."""
    import ray

    for logger in ("ray", "ray.tune", "ray.train", "ray.data"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    ray._private.worker._worker_logs_enabled = False  # messages about dead workers, regardless of public settings
