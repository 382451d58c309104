"""Overhead of the launcher, and the memory of one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from alseg_core.config import RunConfig
from bench.planning.cores import cores
from measure import Bench, Row

TRIALS = max(20, 4 * cores())
ROOT = Path(__file__).resolve().parents[3]
TINY: dict[str, Any] = {
    "name": "tiny",
    "reader": {"name": "phantom", "patients": 6, "size": 48},
    "classes": ["background", "wall", "cavity", "nodule"],
    "presets": {
        "quick": {
            "prepare": {"size": 16},
            "split": {"name": "stratified", "train": 0.5, "val": 0.25, "test": 0.25},
            "budgets": [3],
            "train": {
                "scribble": {
                    "network": {"name": "unet_dual", "widths": [4, 8], "dropouts": [0.1, 0.2]},
                    "loss": "dmpls",
                    "iterations_full": 10,
                }
            },
        }
    },
}


def rows(bench: Bench) -> Iterator[Row]:
    """Measure ``alseg bench`` on studies of trivial runs, and a first round of the quick preset in its own process."""
    yield _help(bench)
    if find_spec("ray") is not None:
        yield from _study(bench)
        yield from _throughput(bench)
    yield _memory(bench)


def _alseg(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from bench.cli import main; main()", *arguments]
    # join no running cluster or tracker
    own = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI")}
    return subprocess.Popen(command, cwd=ROOT, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _help(bench: Bench) -> Row:
    _alseg("--help").wait()
    seconds = sorted(bench.seconds(lambda: _alseg("--help").wait()) for _ in range(3))[1]
    return Row("alseg --help", "", "a call", seconds, target="about 1 s", met=seconds <= 1.5)


def _study(bench: Bench) -> Iterator[Row]:
    """Measure the time to the first finished round of a trivial run, and the overhead per run."""
    folder = bench.scratch / "launcher"
    folder.mkdir()
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    study = {"name": "many", "datasets": [str(folder / "tiny.yaml")], "recipes": ["random"], "seeds": TRIALS}
    (folder / "many.yaml").write_text(yaml.safe_dump(study))
    start = time.time()
    running = _alseg("bench", str(folder / "many.yaml"), "--out", str(folder))
    finished: list[Path] = []
    first = None
    while running.poll() is None:
        finished = list((folder / "many" / "runs").glob("*/rounds.jsonl"))
        if finished and first is None:
            first = time.time() - start
        time.sleep(0.02)
    if running.returncode or first is None:
        raise RuntimeError(f"alseg bench ended with {running.returncode}")
    yield Row(
        "alseg bench",
        f"{TRIALS} trivial runs",
        "start to the first round",
        first,
        target="<= 15 s",
        met=first <= 15,
        note="to the end of the first round of a run that trains one step, which is a little after its first step",
    )
    ends = sorted(path.stat().st_mtime for path in finished)
    records = [json.loads(path.read_text().splitlines()[0]) for path in finished]
    own = sorted(sum(record["seconds"].values()) for record in records)[len(records) // 2]
    at_once = cores()
    # the first runs start together, each on a worker that has just loaded everything
    apart = (ends[-1] - ends[at_once - 1]) / (len(ends) - at_once) * at_once
    overhead = max(0.0, apart - own)
    yield Row(
        "alseg bench",
        f"{TRIALS} trivial runs",
        "a run besides itself",
        overhead,
        target="<= 300 ms",
        met=overhead <= 0.3,
        note=f"{at_once} at once; a run takes {apart:.2f} s, {own:.2f} s of them its own",
    )
    yield Row("alseg bench", f"{TRIALS} trivial runs", "start to end", time.time() - start)


def _throughput(bench: Bench) -> Iterator[Row]:
    """Measure how busy the slots of a study are whose runs take a second each."""
    trials, slots = (1000 if bench.full else 100), cores()
    folder = bench.scratch / "throughput"
    folder.mkdir()
    nap = {"name": "nap", "summary": "rests", "strategy": {"name": "nap", "seconds": 0.7}}
    (folder / "nap.yaml").write_text(yaml.safe_dump(nap))
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    study = {
        "name": "naps",
        "datasets": [str(folder / "tiny.yaml")],
        "recipes": [str(folder / "nap.yaml")],
        "seeds": trials,
        "concurrency": slots,
    }
    (folder / "naps.yaml").write_text(yaml.safe_dump(study))
    own = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI")}
    own |= {
        "ALSEG_NAPS": str(folder / "log"),
        "RAY_preload_python_modules": "ray.tune,bench.launchers.ray_preload,naps",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests" / "perf"))),
    }
    start = time.time()
    running = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import naps; from bench.cli import main; main()",
            "bench",
            str(folder / "naps.yaml"),
            "--out",
            str(folder),
        ],
        cwd=ROOT,
        env=own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    end = time.time()
    runs = [tuple(map(float, line.split())) for line in (folder / "log").read_text().splitlines()]
    finished = len(list((folder / "naps" / "runs").glob("*/rounds.jsonl")))
    if running.returncode or finished != trials:
        raise RuntimeError(f"alseg bench ended with {running.returncode}, {finished} of {trials} runs finished")
    first, last = min(run[0] for run in runs), max(run[1] for run in runs)
    inside = sum(run[1] - run[0] for run in runs)
    busy = inside / (slots * (last - first))
    size = f"{trials} runs of {inside / len(runs):.2f} s, {slots} at once"
    yield Row(
        "alseg bench",
        size,
        "idle time of a place for each run",
        (1 - busy) * (last - first) * slots / trials,
        target="95 % of the places busy",
        met=busy >= 0.95,
        note=f"{busy:.1%} busy; {len({run[2] for run in runs})} processes",
    )
    yield Row(
        "alseg bench",
        size,
        "the driver's CPU time for each run",
        (usage.ru_utime + usage.ru_stime) / trials,
        memory=usage.ru_maxrss * 1024.0,
        note=f"{last - first:.0f} s of runs, {end - last:.0f} s after the last one "
        f"(report, tracking), {first - start:.0f} s before the first",
    )


def _memory(bench: Bench) -> Row:
    """Measure the peak memory of a process that does the first round of the quick preset."""
    from bench.study import Study

    settings = ("datasets=phantom", "recipes=random", "seeds=1")
    raw = dict(Study.find("quick", settings).runs()[0].describe())
    raw["budgets"] = raw["budgets"][:1]
    RunConfig.load(raw)
    file = bench.scratch / "quick.yaml"
    file.write_text(yaml.safe_dump(raw))
    command = [sys.executable, "-m", "alseg_core", str(file), "--out", str(bench.scratch / "run")]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the run ended with {process.returncode}")
    peak = usage.ru_maxrss * 1024.0
    return Row(
        "memory of a run",
        "quick, phantom",
        "first round",
        time.perf_counter() - start,
        target="<= 1500 MB",
        met=peak <= 1.5e9,
        memory=peak,
        note="whole process, mapped pool included",
    )
