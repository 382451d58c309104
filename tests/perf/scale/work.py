"""What is measured in a process of its own: ``python -m scale.work PART STUDY OUT``; figures go to the last line."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from bench.planning.stopwatch import Relative
from bench.planning.workload import Workload
from bench.study import Study
from bench.study.job import Job
from bench.tracking import Tracker
from scale.figure import Figure
from scale.material import NAME, write_runs

AT_ONCE = 64
"""Places that the forecast assumes."""


def write(study: Path, out: Path) -> Iterator[Figure]:
    """Write the runs as finished ones."""
    with _timed() as took:
        write_runs(study, out)
    yield Figure("write", "writing finished runs", took(), each=True, note="CPU; what other parts read")


def plan(study: Path, out: Path) -> Iterator[Figure]:
    """Plan the study when nothing is finished, and when all is."""
    found = Study.find(str(study))
    with _timed() as took:
        found.runs()
    yield Figure("plan", "configurations", took(), each=True, note="CPU")
    for state, folder in (("new", out / "none"), ("finished", out)):
        with _timed() as took:
            workload = Workload.of(found, folder)
        yield Figure("plan", f"state of a {state} study", took(), each=True, note="CPU, configurations included")
        with _timed() as took:
            forecast = workload.prepare(Relative(), AT_ONCE, lambda *_: None)
            _ = forecast.left
        yield Figure("plan", f"data and forecast of a {state} study", took(), each=True, note="CPU")


def tracking(study: Path, out: Path) -> Iterator[Figure]:
    """Send all runs to a new database of MLflow, where the study expects it; then find that nothing is missing."""
    jobs = [Job.of(config, out / NAME) for config in Study.find(str(study)).runs()]
    (out / "mlflow.db").unlink(missing_ok=True)
    shutil.rmtree(out / "mlartifacts", ignore_errors=True)
    tracker = Tracker(NAME, out)
    start = time.monotonic()
    with _timed() as took:
        tracker.sync(jobs[0])
    yield Figure("MLflow", "opening a new database, first run", took(), note="CPU")
    with _timed() as took:
        for job in jobs[1:]:
            tracker.sync(job)
    yield Figure(
        "MLflow", "sending the others", took(), each=True, note=f"CPU; {time.monotonic() - start:.0f} s in all"
    )
    yield Figure("MLflow", "bytes of the database", (out / "mlflow.db").stat().st_size, "bytes", each=True)
    files = [path for path in (out / "mlartifacts").rglob("*") if path.is_file()]
    yield Figure("MLflow", "bytes of artifacts", sum(path.stat().st_size for path in files), "bytes", each=True)
    again = Tracker(NAME, out)
    with _timed() as took:
        for job in jobs:
            again.sync(job)
    yield Figure("MLflow", "finding that all is sent", took(), each=True, note="CPU")


PARTS: dict[str, Callable[[Path, Path], Iterator[Figure]]] = {"write": write, "plan": plan, "tracking": tracking}


@contextmanager
def _timed() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the CPU seconds of the block, once it has ended."""
    start, found = time.process_time(), 0.0
    yield lambda: found
    found = time.process_time() - start


if __name__ == "__main__":
    name, study, out = sys.argv[1:]
    print(json.dumps([asdict(figure) for figure in PARTS[name](Path(study), Path(out))]))
