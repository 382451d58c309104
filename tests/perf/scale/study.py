"""A whole study on a simulated cluster, of whose nodes some come and go: the product's driver, watched from outside."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alseg_core.errors import AlsegError
from alseg_core.results import RunFolder
from bench.study.identity import RunIdentity
from scale.cluster import Nodes, simulated
from scale.driver import ALSEG, Driver, Sample
from scale.figure import Figure
from scale.material import NAME, ROUNDS

PART = "study"
JOINS, LEAVES, LOST = 0.2, 0.4, 0.6
"""Share of the runs that have ended when a node joins, one leaves and one is lost."""
EVERY = 0.5
"""Time between two samples of the driver, in seconds."""
PARTS = 10
"""Number of equal parts of the time for each of which the share of busy places is shown."""


@dataclass(frozen=True)
class Span:
    """When something began and ended, in seconds since the epoch."""

    began: float
    ended: float

    def within(self, other: Span) -> float:
        """Return how many seconds of this span are in another."""
        return max(0.0, min(self.ended, other.ended) - max(self.began, other.began))


def figures(study: Path, out: Path, runs: int, nodes: int, places: int) -> Iterator[Figure]:
    """Run the study on a cluster of ``nodes`` nodes with ``places`` places each.

    Raises AlsegError unless all runs finish.
    """
    counts: list[tuple[float, int]] = []  # time, places from then on
    samples: list[Sample] = []
    with simulated(nodes, places) as cluster:
        counts.append((time.time(), cluster.places))
        log = out.parent / "study.log"
        with Driver((*ALSEG, "bench", str(study), "--out", str(out)), log, {"RAY_ADDRESS": cluster.address}) as driver:
            waiting = _changes(cluster, runs)
            while (sample := driver.sample()) is not None:
                samples.append(sample)
                if waiting and sample.ended >= waiting[0][0]:
                    waiting.pop(0)[1]()
                    counts.append((time.time(), cluster.places))
                time.sleep(EVERY)
            end, told, repeated = driver.end(), driver.told, driver.repeated
    spans = _spans(out / NAME / "runs")
    if end.status or len(spans) != runs or waiting:
        raise AlsegError(
            f"the study ended with {end.status}, {len(spans)} of {runs} runs finished, {len(waiting)} of 3 changes of "
            f"the cluster to come: {told[-2000:]}"
        )
    first, last = min(span.began for span in spans.values()), max(span.ended for span in spans.values())
    undisturbed = [span for run, span in spans.items() if run not in repeated]
    yield Figure(PART, "time until the first run starts", first - driver.began)
    yield Figure(PART, "first start to last end of a run", last - first, each=True)
    yield Figure(PART, "last end of a run to the end (report, MLflow)", driver.began + end.seconds - last)
    note = "1 node joined, 1 left, 1 was lost"
    yield Figure(PART, "runs that were started again", len(repeated), "count", note=note)
    shares = [busy(undisturbed, counts, part) for part in _parts(first, last)]
    yield Figure(
        PART,
        "places busy",
        busy(undisturbed, counts, Span(first, last)),
        "share",
        note=f"over time: {' '.join(f'{share:.0%}' for share in shares)}; runs started again are left out",
    )
    yield Figure(PART, "driver's CPU", end.cpu, each=True)
    yield Figure(
        PART,
        "driver's CPU until the last run ended",
        _at(samples, runs).cpu,
        each=True,
        note=f"of a run, tenth by tenth of the runs, in ms: {' '.join(map(str, _growth(samples, runs)))}",
    )
    yield Figure(PART, "driver's peak memory", end.memory, "bytes")
    for count in _steps(runs):
        yield Figure(PART, f"driver's memory after {count:,} runs", _at(samples, count).memory, "bytes")
    files = [path for path in (out / NAME).rglob("*") if path.is_file()]
    yield Figure(PART, "files of the study", len(files), "count", each=True)
    yield Figure(PART, "bytes of the study", sum(path.stat().st_size for path in files), "bytes", each=True)
    yield Figure(PART, "bytes of MLflow's database", (out / "mlflow.db").stat().st_size, "bytes", each=True)


def _changes(cluster: Nodes, runs: int) -> list[tuple[float, Callable[[], None]]]:
    """Return what happens to the cluster, and after how many runs."""
    return [(JOINS * runs, cluster.join), (LEAVES * runs, cluster.leave), (LOST * runs, cluster.lose)]


def _spans(folder: Path) -> dict[tuple[str, int], Span]:
    """Return (recipe, seed) -> when each finished run began and ended.

    Its configuration is the first file that a run writes, its last round one of the last. What it does before and after
    does not count, and a run that was started again began with its first attempt.
    """
    found = {}
    for path in folder.iterdir():
        known = RunIdentity.of_folder(path)
        if known is not None and len(RunFolder(path).records()) == len(ROUNDS):
            began, ended = ((path / name).stat().st_mtime for name in ("config.json", "rounds.jsonl"))
            found[known.recipe, known.seed] = Span(began, ended)
    return found


def busy(spans: Sequence[Span], counts: Sequence[tuple[float, int]], part: Span) -> float:
    """Return the share of the cluster's places that were inside a run in a part of the time."""
    ends = [*(at for at, _ in counts[1:]), part.ended]
    there = sum(places * Span(at, end).within(part) for (at, places), end in zip(counts, ends, strict=True))
    return sum(span.within(part) for span in spans) / there


def _parts(first: float, last: float) -> list[Span]:
    step = (last - first) / PARTS
    return [Span(first + number * step, first + (number + 1) * step) for number in range(PARTS)]


def _steps(runs: int) -> list[int]:
    """Return after how many runs the driver's memory is printed: every 1,000, or tenths of fewer."""
    step = 1000 if runs > 1000 else max(1, runs // 10)
    return list(range(step, runs, step))


def _at(samples: Sequence[Sample], runs: int) -> Sample:
    """Return the first sample with so many ended runs; the last one if there is none."""
    return next((sample for sample in samples if sample.ended >= runs), samples[-1])


def _growth(samples: Sequence[Sample], runs: int) -> list[int]:
    """Return the driver's CPU time for a run in each tenth of the runs but the first, in ms."""
    marks = [_at(samples, round(runs * tenth / 10)) for tenth in range(1, 11)]
    return [
        round(1000 * (after.cpu - before.cpu) / max(after.ended - before.ended, 1))
        for before, after in itertools.pairwise(marks)
    ]
