"""The driver of a study, ``alseg bench`` in a process of its own, watched from outside."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ENDED = re.compile(r"^\[(\d+)/\d+\]", re.MULTILINE)
"""Line of the display for a run that has ended."""
REPEATED = re.compile(r"^trying again: ([\w ]+), seed (\d+): ", re.MULTILINE)
"""Line of the display for a run that starts again: its recipe and seed."""
ALSEG = (sys.executable, "-c", "from bench.cli import main; main()")
"""Command that is ``alseg``."""
TAIL = 20_000
"""Bytes at the end of the output in which the last line about a run is looked for."""
PATH = os.pathsep.join(str(Path(__file__).resolve().parents[up]) for up in (1, 3))
"""PYTHONPATH with this package and the product's."""


@dataclass(frozen=True)
class Sample:
    """A driver at one moment."""

    at: float
    """Seconds since the epoch."""
    ended: int
    """Runs that have ended."""
    memory: int
    """Resident bytes."""
    cpu: float
    """CPU seconds of the process so far, all threads together."""


@dataclass(frozen=True)
class End:
    """What a process took in all."""

    status: int
    """Exit status."""
    seconds: float
    cpu: float
    """CPU seconds, all threads together."""
    memory: int
    """Peak of resident bytes."""


class Driver:
    """A process whose output goes to a file and is read while it runs. Leaving the block ends it if it still runs."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        """environment: variables beside those of this process, of which no tracker or cluster is taken over."""
        own = {name: text for name, text in os.environ.items() if name not in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI")}
        self.began = time.time()
        self.log = log
        with log.open("w") as file:
            self._process = subprocess.Popen(
                command,
                env={**own, "PYTHONPATH": PATH, "PYTHONUNBUFFERED": "1", **environment},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self._end: End | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._end is None:
            self._process.kill()
            self._process.wait()

    @property
    def told(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace")

    @property
    def ended(self) -> int:
        """Runs that have ended so far."""
        with self.log.open("rb") as file:  # the last line about a run is near the end
            file.seek(max(0, self.log.stat().st_size - TAIL))
            found = ENDED.findall(file.read().decode(errors="replace"))
        return int(found[-1]) if found else 0

    @property
    def repeated(self) -> list[tuple[str, int]]:
        """Recipe and seed of the runs that were started again so far, once for each time."""
        return [(recipe, int(seed)) for recipe, seed in REPEATED.findall(self.told)]

    def sample(self) -> Sample | None:
        """Return what the process is like now; None if it has ended."""
        if self._wait(os.WNOHANG):
            return None
        folder = Path(f"/proc/{self._process.pid}")
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        pages = int((folder / "statm").read_text().split()[1])
        ticks = int(fields[11]) + int(fields[12])
        return Sample(time.time(), self.ended, pages * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK"))

    def end(self) -> End:
        """Wait for the end of the process."""
        self._wait(0)
        assert self._end is not None
        return self._end

    def _wait(self, how: int) -> bool:
        """Return whether the process has ended."""
        if self._end is None:
            pid, status, usage = os.wait4(self._process.pid, how)
            if pid:
                code = self._process.returncode = os.waitstatus_to_exitcode(status)
                self._end = End(code, time.time() - self.began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
        return self._end is not None
