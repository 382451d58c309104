"""The result of a benchmark, and how time and memory are measured."""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from ceilings import Ceilings, Floor


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    size: str
    what: str
    """Piece of work that is timed."""
    ours: float
    """Seconds of the package."""
    baseline: float | None = None
    """Seconds of the straightforward way; None if there is none."""
    floor: Floor | None = None
    """Least work, and its seconds at the ceilings."""
    target: str = ""
    """Target in words."""
    met: bool | None = None
    """Whether this run reached the target; None where the target does not apply."""
    note: str = ""
    memory: float | None = None
    """Peak of resident bytes that the work added."""

    @property
    def ratio(self) -> float | None:
        """How many times faster than the baseline the package is."""
        return None if self.baseline is None else self.baseline / self.ours

    @property
    def share(self) -> float | None:
        """Share of the ceiling reached: floor over time."""
        return None if self.floor is None else self.floor.seconds / self.ours


@dataclass(frozen=True, eq=False)
class Bench:
    """Settings of a measurement, given to every subject."""

    device: str
    threads: int
    full: bool
    """Whether to use the sizes of the targets; otherwise sizes that take a few minutes on a CPU."""
    ceilings: Ceilings
    scratch: Path
    """Folder that is deleted at the end."""
    repeats: int = 2
    """Number of timings, of which the median is reported."""
    sizes: tuple[int, ...] = ()
    """Side lengths of the slices in pixels; empty for those of each subject."""
    data: Path | None = None
    """Folder of prepared slices; None to generate them."""

    @property
    def cuda(self) -> bool:
        """Whether the work runs on a GPU."""
        return torch.device(self.device).type == "cuda"

    def finish(self) -> None:
        """Wait until the device has finished."""
        if self.cuda:
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], object], times: int = 1) -> float:
        """Return the mean seconds of ``times`` calls."""
        self.finish()
        start = time.perf_counter()
        for _ in range(times):
            work()
        self.finish()
        return (time.perf_counter() - start) / times

    def both(
        self, ours: Callable[[], float], baseline: Callable[[], float], repeats: int | None = None
    ) -> tuple[float, float]:
        """Return the median seconds of two functions that time themselves, called in turn to see the same machine."""
        taken = [(ours(), baseline()) for _ in range(repeats or self.repeats)]
        first, second = zip(*taken, strict=True)
        return statistics.median(first), statistics.median(second)


@contextmanager
def peak_memory() -> Iterator[Callable[[], float | None]]:
    """Yield a function that returns the peak of resident bytes that the block added.

    It returns None on systems other than Linux.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)  # memory freed before the block must not be reused unnoticed
        Path("/proc/self/clear_refs").write_text("5")  # reset the peak to what is resident now
        before = _resident("VmRSS")
    except (OSError, AttributeError):
        yield lambda: None
        return
    yield lambda: _resident("VmHWM") - before


def _resident(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return 1024.0 * int(line.split()[1])
    raise OSError(f"no {name} in /proc/self/status")
