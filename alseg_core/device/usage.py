"""How much of its machine a run uses over time: ``machine.csv`` in the run folder.

It is no result: nothing seals it, and no pick, score or fingerprint depends on it. Where it is missing or damaged, only
curves of the machine are.
"""

from __future__ import annotations

import math
import time
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from alseg_core.device.memory import peak_mb

FILE = "machine.csv"
"""Name of the file in the run folder."""
STATM = Path("/proc/self/statm")
"""Where Linux tells how many pages of memory a process has: of addresses, resident, ..."""


@dataclass(frozen=True)
class Usage:
    """What the process of a run uses at one time; None where the machine does not tell."""

    time: float
    """Seconds since 1970, UTC."""
    cpu_percent: float | None
    """CPU time of all threads since the sample before; 100 = one core the whole time."""
    memory_gb: float | None
    """Resident memory in units of 2**30 bytes; outside Linux the peak so far."""
    gpu_percent: float | None
    """Share of time that the GPU was busy just now, with whatever runs on it, 0..100."""
    gpu_memory_gb: float | None
    """Memory of the GPU that the process holds, in units of 2**30 bytes."""


NAMES = tuple(field.name for field in fields(Usage))
"""Columns of the file."""


class Meter:
    """Measures this process. CPU time counts from the measurement before, the first time from the start."""

    def __init__(self) -> None:
        self._clock, self._busy = time.monotonic(), time.process_time()

    def read(self) -> Usage:
        """Measure now."""
        clock, busy = time.monotonic(), time.process_time()
        passed, worked = clock - self._clock, busy - self._busy
        self._clock, self._busy = clock, busy
        return Usage(time.time(), 100 * worked / passed if passed > 0 else None, _resident_gb(), *_gpu())


def append(folder: Path, usage: Usage) -> None:
    """Add a line to the file of a run folder. Raises OSError when it cannot be written."""
    values = ["" if value is None else f"{value:.{1 if name == 'time' else 3}f}" for name, value in _items(usage)]
    with (folder / FILE).open("a") as file:
        lines = [] if file.tell() else [",".join(NAMES)]
        file.write("".join(f"{line}\n" for line in [*lines, ",".join(values)]))


def recorded(folder: Path) -> list[Usage]:
    """Return the lines of the file of a run folder, without damaged ones; none if it cannot be read."""
    try:
        text = (folder / FILE).read_text(errors="replace")
    except OSError:
        return []
    return [usage for line in text.splitlines() if (usage := _usage(line)) is not None]


def _items(usage: Usage) -> list[tuple[str, float | None]]:
    return list(zip(NAMES, astuple(usage), strict=True))


def _usage(line: str) -> Usage | None:
    """Return what a line holds; None for the head, and for one that a kill has cut off."""
    try:
        when, *others = [float(cell) if cell else None for cell in line.split(",")]
        usage = None if when is None else Usage(when, *others)
    except (ValueError, TypeError):  # no number, or another number of columns
        return None
    return usage if usage and all(v is None or math.isfinite(v) for v in astuple(usage)) else None


def _resident_gb() -> float | None:
    try:
        import resource

        return int(STATM.read_text().split()[1]) * resource.getpagesize() / 2**30
    except (ImportError, OSError):  # not on Linux
        peak = peak_mb()
        return None if peak is None else peak / 2**10


def _gpu() -> tuple[float | None, float | None]:
    """Return use and memory of the GPU that holds most of this process; None each without one."""
    import torch  # takes seconds, and commands that run nothing import launchers

    if not torch.cuda.is_initialized():  # asking a run on the CPU would start CUDA
        return None, None
    held = [torch.cuda.memory_reserved(device) for device in range(torch.cuda.device_count())]
    device = held.index(max(held))
    busy: float | None
    try:
        busy = float(torch.cuda.utilization(device))
    except Exception:  # nvidia-ml-py is missing, or its errors, which have no common class
        busy = None
    return busy, held[device] / 2**30
