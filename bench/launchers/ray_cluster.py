"""Ray for the duration of a study: on this machine, or the cluster that RAY_ADDRESS names."""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from alseg_core.errors import AlsegError, ConfigError
from bench.launchers import ray_here, ray_join
from bench.launchers.ray_folder import end_processes, private_folder
from bench.launchers.ray_join import shared
from bench.launchers.ray_shutdown import cut_off, shut_down
from bench.launchers.study_folder import GOES_ON

READY_S = 30.0
"""How long to wait for workers to report ready, in seconds."""
PENDING = 4
"""Number of runs to keep waiting on a joined cluster, so that its autoscaler sees that more nodes are useful."""
COUNTED_S = 2.0
"""How long a count of the places of a joined cluster stays valid, in seconds."""
START_S = 300.0
"""How long Ray may take to start on this machine, all tries together, in seconds."""
JOIN_S = 90.0
"""How long a cluster may take to let this program join, in seconds."""
STOP_S = 30.0
"""How long Ray may take to shut down, in seconds."""
LEAVE_S = 8.0
"""How long a study may take to notice that Ray is lost, in seconds; Ray ends this process after 10 to 15."""


class Cluster:
    """Ray for the duration of a ``with`` block. It starts in the background; :meth:`wait` returns once it is up.

    A separate thread holds Ray, because the kernel ends Ray's processes together with the thread that started them.
    Leaving the block waits until Ray has shut down.
    """

    folder: Path | None = None
    """Private folder for files on this machine while the block lasts; None on a joined cluster."""

    def __init__(self, places: int) -> None:
        """places: number of runs at the same time on this machine.

        Ray on this machine gets as many CPUs as there are places, so that it starts exactly as many worker processes;
        a joined cluster counts cores.
        """
        self._places = places
        self._counted = -COUNTED_S, 0
        self._up: Future[None] = Future()
        self._over = threading.Event()
        self._lost: str | None = None
        self._raised = False
        self._guarded: threading.Thread | None = None
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._hold, name="ray", daemon=True)

    def __enter__(self) -> Self:
        """Raises AlsegError if Ray cannot be had: no Ray answers at RAY_ADDRESS, or too little address space."""
        _stop_by_term()
        atexit.register(self._exit_if_lost)
        ray_join.check_address() if shared() else ray_here.check_limits()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        joining = shared() and not self._up.done()  # nothing of ours would be left behind
        self._thread.join(1.0 if joining else STOP_S)
        if self._thread.is_alive() and (ray := sys.modules.get("ray")) is not None:
            atexit.unregister(ray.shutdown)  # it would wait for this thread
        if self._lost is None:
            atexit.unregister(self._exit_if_lost)

    def wait(self) -> None:
        """Wait until Ray is up. Raises AlsegError if it cannot be started or joined, or is lost already."""
        limit = JOIN_S if shared() else START_S
        try:
            self._up.result(limit)
        except TimeoutError:
            if self._up.done():
                raise
            what = f"the cluster at RAY_ADDRESS={os.environ['RAY_ADDRESS']}" if shared() else "Ray on this machine"
            raise AlsegError(f"{what} is not ready after {limit:.0f} s. Try --local to run without Ray.") from None
        if self._lost:
            raise self._loss()
        _stop_by_term()  # Ray has installed a handler that would leave its processes behind

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Raise AlsegError in the block as soon as Ray is lost; outside the main thread, end the process with it."""
        try:
            try:
                with self._guard:
                    self._guarded = threading.current_thread()
                yield
            finally:
                with self._guard:
                    self._guarded = None
        except (KeyboardInterrupt, Exception):
            if self._lost:
                raise self._loss() from None
            raise

    def cpus(self, wanted: int) -> int:
        """Return the number of Ray's CPUs that a run with ``wanted`` cores takes."""
        return wanted if shared() else 1

    def room(self, cpus: int, gpus: float) -> int:
        """Return how many runs of that size to give to Ray at once; some of them wait on a joined cluster."""
        return self.places(cpus, gpus) + (PENDING if shared() else 0)

    def places(self, cpus: int, gpus: float) -> int:
        """Return how many runs of that size execute at once; a joined cluster may grow and shrink meanwhile."""
        if not shared():
            return self._places
        when, found = self._counted
        if time.monotonic() - when > COUNTED_S:
            found = sum(fit(node, cpus, gpus) for node in ray_join.nodes())
            self._counted = time.monotonic(), found
        return found

    def check(self, folder: Path, cpus: int, gpus: float) -> None:
        """Raise ConfigError if no node is large enough for one run, ResultsError if one does not see ``folder``."""
        nodes = ray_join.nodes()
        fitting = [node for node in nodes if fit(node, cpus, gpus)]
        if not fitting:
            most = {kind: max((node["Resources"].get(kind, 0) for node in nodes), default=0) for kind in ("CPU", "GPU")}
            raise ConfigError(
                f"resources: a run wants {cpus} CPUs and {gpus:g} GPUs on one node, the cluster's nodes have at most "
                f"{most['CPU']:g} and {most['GPU']:g}; lower them (--set resources.gpus=0)."
            )
        if shared():
            ray_join.check_all_see(folder, fitting)

    def _hold(self) -> None:
        """Start Ray and hold it until the block ends; runs in a thread of its own."""
        try:
            self._joined() if shared() else self._here()
        except BaseException as error:
            if not self._up.done():
                self._up.set_exception(error)

    def _joined(self) -> None:
        """Hold the cluster that RAY_ADDRESS names."""
        ray_join.join()
        try:
            self._serve(ray_join.Servers().lost, 2.0)
        finally:
            self._stop()

    def _here(self) -> None:
        """Hold Ray on this machine."""
        with private_folder() as folder, ray_here.started(self._places, folder) as ready:
            self.folder = folder
            try:
                _share_environment()
                self._warm(ready)
                self._serve(ray_here.lost, 0.2)
            finally:
                self._stop()
                if self._lost:
                    end_processes(folder)

    def _serve(self, lost: Callable[[], str | None], every: float) -> None:
        """Say that Ray is up, and look again and again whether it is still there."""
        while (reason := lost()) is None:
            if not self._up.done():
                self._up.set_result(None)
            if self._over.wait(every):
                return
        self._lost = reason
        cut_off()
        if not self._up.done():
            raise self._loss()
        self._tell_main()

    def _tell_main(self) -> None:
        """End the block of :meth:`guarded`. Ray ends this process soon, so it ends here if the main thread hangs."""
        with self._guard:
            if self._guarded is threading.main_thread():
                _thread.interrupt_main(signal.SIGTERM)  # SIGINT may be ignored; wait() has set the handler of this one
        if not self._over.wait(LEAVE_S) and self._guarded is not None:
            os.write(2, f"error: {self._loss()}\n".encode())
            if self.folder is not None:
                end_processes(self.folder)
            os._exit(2)
        self._over.wait()

    def _loss(self) -> AlsegError:
        self._raised = True
        return AlsegError(f"Ray was lost while the study was running; {self._lost}. {GOES_ON}")

    def _stop(self) -> None:
        """Leave Ray, unless it is lost."""
        if self._lost is None:
            shut_down()

    def _exit_if_lost(self) -> None:
        """End this process at its exit if Ray is lost; what follows would wait for Ray's servers."""
        if self._lost is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(2 if self._raised else 0)

    def _warm(self, ready: Path) -> None:
        """Wait until the worker processes are ready; Ray would start another one instead of using one that is not."""
        end = time.monotonic() + READY_S
        while len(list(ready.iterdir())) < self._places and time.monotonic() < end and ray_here.lost() is None:
            if self._over.wait(0.05):
                return


def _stop_by_term() -> None:
    """Let SIGTERM, which a cluster sends to a job whose time is over, stop a study as Ctrl-C does."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def fit(node: dict[str, Any], cpus: int, gpus: float) -> int:
    """Return how many runs of that size fit on a node of :func:`ray.nodes`."""
    resources = node["Resources"]
    # what is left of several GPUs does not add up to one
    by_gpu = int(resources.get("GPU", 0)) * int(1 / gpus) if 0 < gpus < 1 else resources.get("GPU", 0) / (gpus or 1)
    return int(min(resources.get("CPU", 0) / cpus, by_gpu if gpus else float("inf")))


def _share_environment() -> None:
    """Let trials run in the worker processes that started with Ray, which have the driver's environment already.

    Tune would give every trial an environment of its own, for which Ray starts further processes.
    """
    from ray.tune.execution import class_cache

    class_cache.DEFAULT_ENV_VARS.clear()
    class_cache.ENV_VARS_TO_PROPAGATE.clear()
