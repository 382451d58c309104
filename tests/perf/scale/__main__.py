"""``python -m scale`` in ``tests/perf``: 5 recipes x many seeds on a simulated cluster, and each stage of it apart."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from alseg_core.errors import AlsegError
from scale import study
from scale.driver import ALSEG, PATH, Driver, End
from scale.figure import Figure, text
from scale.material import NAME, RECIPES, write_files

FINISHED = f"study {NAME}: all "
"""Beginning of the line that says that nothing is left to do."""


def main() -> int:
    """Measure what the driver does with a study of many runs, print a table and write it as JSON.

    Returns 1 if a part failed; the others are measured all the same.
    """
    given = _arguments()
    os.environ["PYTHONPATH"] = PATH  # Ray's processes load the trainer that rests
    os.environ["OMP_NUM_THREADS"] = "1"
    folder = Path(tempfile.mkdtemp(prefix="alseg-scale-")) if given.folder is None else given.folder.absolute()
    figures: list[Figure] = []
    failed: dict[str, str] = {}
    began = datetime.now(UTC)
    load = os.getloadavg()[0]
    try:
        for name in given.only or PARTS:
            start = time.monotonic()
            try:
                figures.extend(PARTS[name](given, folder))
            except Exception as error:
                failed[name] = f"{type(error).__name__}: {error}"
                traceback.print_exc()
            print(
                f"{name}: {'failed' if name in failed else 'done'} in {time.monotonic() - start:.0f} s", file=sys.stderr
            )
    finally:
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(text(figures, given.runs))
    machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count(), "load before": load}
    content = {
        "date": began.isoformat(timespec="seconds"),
        "machine": machine,
        "runs": given.runs,
        "nodes": given.nodes,
        "places": given.places,
        "rest": given.seconds,
        "patients": given.patients,
        "figures": [asdict(figure) for figure in figures],
        "failed": failed,
    }
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"{began:%Y%m%dT%H%M%S%f}Z.json"
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    print(f"saved in {path}")
    return int(bool(failed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scale", description=str(main.__doc__).splitlines()[0])
    parser.add_argument("--runs", type=_runs, default=1000, help=f"multiple of {len(RECIPES)}; default: 1000")
    parser.add_argument(
        "--nodes",
        type=int,
        choices=range(2, 100),
        default=3,
        metavar="N",
        help="nodes at the start, at least 2, as two go; default: 3",
    )
    parser.add_argument("--places", type=int, default=3, help="runs at the same time on a node; default: 3")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long a run rests; default: 3")
    parser.add_argument("--patients", type=int, default=12, help="patients, a quarter are scored; default: 12")
    parser.add_argument("--only", action="append", choices=PARTS, help="part; may be repeated; default: all, in order")
    parser.add_argument(
        "--folder", type=Path, help="new or earlier folder to work in and to keep; default: a temporary one"
    )
    parser.add_argument("--out", type=Path, default=Path("perf/scale"), help="folder of the JSON file")
    return parser.parse_args()


def _runs(text: str) -> int:
    runs = int(text)
    if runs < len(RECIPES) or runs % len(RECIPES):
        raise argparse.ArgumentTypeError(f"a positive multiple of {len(RECIPES)} was wanted, got {text}")
    return runs


def _worked(name: str) -> Callable[[argparse.Namespace, Path], Iterator[Figure]]:
    """Return a part that is measured by :mod:`scale.work`."""

    def part(given: argparse.Namespace, folder: Path) -> Iterator[Figure]:
        end, told = _command(
            folder, name, (sys.executable, "-m", "scale.work", name, str(_file(given, folder)), str(folder / "out"))
        )
        for fields in json.loads(told.splitlines()[-1]):
            yield Figure(**fields)
        yield Figure(name, "peak memory of the process", end.memory, "bytes")

    return part


def _report(given: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    """Report the written runs."""
    page = folder / "report"
    end, _ = _command(folder, "report", (*ALSEG, "report", str(folder / "out" / NAME), "--out", str(page)))
    yield Figure("report", "alseg report", end.cpu, each=True, note=f"CPU; {end.seconds:.0f} s")
    yield Figure("report", "peak memory", end.memory, "bytes")
    yield Figure("report", "report.html", (page / "report.html").stat().st_size, "bytes")


def _resume(given: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    """Start the finished study again; what MLflow lacks is sent."""
    command = (*ALSEG, "bench", str(_file(given, folder)), "--local", "--out", str(folder / "out"))
    known = None
    with Driver(command, folder / "resume.log", {}) as driver:
        while (sample := driver.sample()) is not None:
            if known is None and FINISHED in driver.told:
                known = sample
            time.sleep(0.1)
        end, told = driver.end(), driver.told
    if end.status or FINISHED not in told:
        raise AlsegError(f"alseg bench ended with {end.status}: {told[-2000:]}")
    if known is not None:
        seconds = known.at - driver.began
        yield Figure("resume", "until it says that all is finished", seconds, note=f"{known.cpu:.1f} s of CPU")
    yield Figure("resume", "all, with report and MLflow", end.seconds, each=True, note=f"{end.cpu:.1f} s of CPU")
    yield Figure("resume", "peak memory", end.memory, "bytes")


def _study(given: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    """Run the study on the cluster."""
    place = folder / "cluster"
    file = write_files(place, given.runs, given.seconds, given.patients, device="cpu", resources={"cpus": 1, "gpus": 1})
    yield from study.figures(file, place / "out", given.runs, given.nodes, given.places)


PARTS: dict[str, Callable[[argparse.Namespace, Path], Iterator[Figure]]] = {
    "write": _worked("write"),
    "plan": _worked("plan"),
    "report": _report,
    "tracking": _worked("tracking"),
    "resume": _resume,
    "study": _study,
}
"""Name -> part, in their order: all but the last read the runs that the first one writes."""


def _file(given: argparse.Namespace, folder: Path) -> Path:
    """Write the files of the study of written runs; return the study's."""
    return write_files(folder, given.runs, 0.0, given.patients)


def _command(folder: Path, name: str, command: tuple[str, ...]) -> tuple[End, str]:
    """Return what a command took and what it printed. Raises AlsegError if it failed."""
    with Driver(command, folder / f"{name}.log", {}) as driver:
        end, told = driver.end(), driver.told
    if end.status:
        raise AlsegError(f"{name} ended with {end.status}: {told[-2000:]}")
    return end, told


if __name__ == "__main__":
    sys.exit(main())
