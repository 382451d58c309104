"""What a benchmark gives, and how times and memory are taken."""

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
    """One line of the table.

    ours, baseline: seconds of ``what``, baseline None where there is none. floor: what the work needs at least, in
    bytes and operations, and the seconds that takes at the measured ceilings. target: in words, with ``met`` whether
    this run reached it; None where it does not apply here. memory: peak resident bytes that the work added.
    """

    name: str
    size: str
    what: str
    ours: float
    baseline: float | None = None
    floor: Floor | None = None
    target: str = ""
    met: bool | None = None
    note: str = ""
    memory: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times faster than the baseline."""
        return None if self.baseline is None else self.baseline / self.ours

    @property
    def share(self) -> float | None:
        """Share of the ceiling that was reached: floor over time."""
        return None if self.floor is None else self.floor.seconds / self.ours


@dataclass(frozen=True, eq=False)
class Bench:
    """What every subject is given. full: sizes of the targets in place of those that fit a few minutes on a CPU.

    sizes: pixels a side of slices in place of the subjects' own. data: folder of prepared slices in place of generated
    ones. scratch: folder that is deleted at the end. repeats: times of which the median is taken.
    """

    device: str
    threads: int
    full: bool
    ceilings: Ceilings
    scratch: Path
    repeats: int = 2
    sizes: tuple[int, ...] = ()
    data: Path | None = None

    @property
    def cuda(self) -> bool:
        """Times are those of a GPU."""
        return torch.device(self.device).type == "cuda"

    def finish(self) -> None:
        """Wait for all that was started."""
        if self.cuda:
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], object], times: int = 1) -> float:
        """Seconds of one of ``times`` calls."""
        self.finish()
        start = time.perf_counter()
        for _ in range(times):
            work()
        self.finish()
        return (time.perf_counter() - start) / times

    def both(
        self, ours: Callable[[], float], baseline: Callable[[], float], repeats: int | None = None
    ) -> tuple[float, float]:
        """Median seconds of two ways that time themselves, taken in turn so that both see the same machine."""
        taken = [(ours(), baseline()) for _ in range(repeats or self.repeats)]
        first, second = zip(*taken, strict=True)
        return statistics.median(first), statistics.median(second)


@contextmanager
def peak_memory() -> Iterator[Callable[[], float | None]]:
    """Gives a function that says how many resident bytes the block needed at most beyond what was there before.

    None where the system does not say (anything but Linux).
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)  # what was freed before must not be found again unseen
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again at what is resident now
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
