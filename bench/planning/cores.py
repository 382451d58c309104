"""How many CPU cores this process may use, and whether others keep them busy."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

BUSY = 1.25
"""Load of the machine per core above which other work slows this program down."""


def cores() -> int:
    """Return the number of CPU cores that this process may use, which may be fewer than the machine has.

    Counted are the cores that the process may run on (Slurm, taskset, cpusets), the quota of its control groups
    (containers), and the cores of its Slurm job where Slurm does not enforce them.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    allowed = [float(len(affinity(0)) if affinity else os.cpu_count() or 1), *quotas()]
    if (job := os.environ.get("SLURM_CPUS_ON_NODE", "")).isdecimal():
        allowed.append(float(job))
    return max(1, math.floor(min(allowed)))


def busy() -> str | None:
    """Return the load of the last minute and the cores of the machine if it has more to do than they can, else None."""
    load, machine = os.getloadavg()[0], os.cpu_count() or 1
    return f"load {load:.1f} on {machine} cores" if load > BUSY * machine else None


def quotas(process: Path = Path("/proc/self")) -> Iterator[float]:
    """Yield the CPU quota of each control group that the process is in, in cores: its own and those above."""
    with suppress(OSError, ValueError):
        mounts = _mounts((process / "mountinfo").read_text())
        for line in (process / "cgroup").read_text().splitlines():
            number, controllers, group = line.split(":", 2)
            kind = "cgroup2" if number == "0" else "cgroup"
            if kind == "cgroup2" or "cpu" in controllers.split(","):
                for mount, root in mounts.get(kind, []):
                    yield from _quotas_up(mount, _inside(group, root))


def _mounts(mountinfo: str) -> dict[str, list[tuple[Path, str]]]:
    """Return where control groups of the CPU are mounted: the folder and which group it shows, by their version."""
    found: dict[str, list[tuple[Path, str]]] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        root, folder = before.split()[3:5]
        kind, _, options = after.split()[:3]
        if kind == "cgroup2" or (kind == "cgroup" and "cpu" in options.split(",")):
            found.setdefault(kind, []).append((Path(folder), root))
    return found


def _inside(group: str, root: str) -> list[str]:
    """Return the parts of a group's path below the one that is mounted; in a container that may be all there is."""
    below = Path(group).relative_to(root) if Path(group).is_relative_to(root) else Path()
    return [part for part in below.parts if part != ".."]


def _quotas_up(mount: Path, parts: list[str]) -> Iterator[float]:
    """Yield the quotas of a group and of those above it."""
    for depth in range(len(parts), -1, -1):
        folder = mount.joinpath(*parts[:depth])
        with suppress(OSError, ValueError):
            if (unified := folder / "cpu.max").exists():
                quota, period = unified.read_text().split()
            else:
                quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            if quota != "max" and float(quota) > 0:
                yield float(quota) / float(period)
