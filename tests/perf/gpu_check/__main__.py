"""``python -m gpu_check`` in ``tests/perf``, or ``make gpu-check``."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch

from alseg_core.data.prepared import Prepared
from alseg_core.device.replay import EAGER
from alseg_core.errors import AlsegError, ConfigError, DataError
from gpu_check import report
from gpu_check.answer import Answer
from gpu_check.parts import (
    encoder,
    equality,
    machine,
    precision,
    scoring,
    selection,
    sharing,
    steps,
    training,
    volume_steps,
)
from gpu_check.runner import Outcome, run
from gpu_check.scale import FULL, TINY
from gpu_check.setting import UNKNOWN, Setting
from measure import Bench
from pack import unpack

TOTAL = 460.0
"""Most seconds in all, so that the command ends within eight minutes with its imports and its table."""
PARTS: dict[str, tuple[Callable[[Setting], Iterator[Answer]], float]] = {
    "equality": (equality.answers, 60),
    "steps": (steps.answers, 35),
    "training": (training.answers, 35),
    "encoder": (encoder.answers, 35),
    "3D": (volume_steps.answers, 35),
    "scoring": (scoring.answers, 35),
    "selection": (selection.answers, 35),
    "precision": (precision.answers, 35),
    "three runs": (sharing.runs, 35),
    "members": (sharing.members, 35),
}
"""Name -> part and the most seconds that it gets, in the order in which they are run: what matters most comes first."""
BRIEF = 20.0
"""Most seconds of each of the parts before them. All limits together fit into :data:`TOTAL`."""


def main() -> int:
    """Measure what a device does with this package, print a table and write it as JSON.

    Returns 1 if a part failed or numbers were not right, 2 if nothing could be measured. Targets of speed that are
    missed change nothing.
    """
    began = time.monotonic()
    os.environ.pop(EAGER, None)  # it is set where it is meant
    given = _arguments()
    scratch = Path(tempfile.mkdtemp(prefix="alseg-gpu-check-"))
    try:
        return _check(given, scratch, began + given.seconds)
    except AlsegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gpu_check", description=str(main.__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, help="prepared folder, or a file of pack.py; default: generated volumes")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--scale", choices=("auto", "tiny", "full"), default="auto", help="auto: full on a GPU, tiny on a CPU"
    )
    parser.add_argument("--only", action="append", choices=PARTS, help="part to run; may be repeated; default: all")
    parser.add_argument("--seconds", type=float, default=TOTAL, help=f"most seconds in all; default: {TOTAL:.0f}")
    parser.add_argument("--out", type=Path, default=Path("perf/gpu-check"), help="folder of the JSON file")
    return parser.parse_args()


def _check(given: argparse.Namespace, scratch: Path, deadline: float) -> int:
    if not hasattr(os, "fork"):
        raise ConfigError("gpu-check starts each part as a fork of its process, which this system has not; use Linux.")
    folder = None if given.data is None else _prepared(given.data, scratch)
    outcomes: list[Outcome] = []

    def done(outcome: Outcome) -> Outcome:
        outcomes.append(outcome)
        print(f"{outcome.part}: {outcome.end} in {outcome.seconds:.1f} s {outcome.reason}".rstrip(), file=sys.stderr)
        if outcome.details:
            print(outcome.details, file=sys.stderr)
        return outcome

    def left(limit: float) -> float:
        return min(limit, deadline - time.monotonic())

    device = given.device if given.device != "auto" else _device(run("device", machine.found, left(BRIEF)))
    gpu = device == "cuda"
    if not gpu:
        print("device: CPU; no GPU is used, so that nothing below is about a GPU", file=sys.stderr)
    scale = FULL if given.scale == "full" or (given.scale == "auto" and gpu) else TINY
    done(run("versions", partial(machine.versions, device), left(BRIEF)))
    measured = done(run("ceilings", partial(machine.ceilings, device, scale.small), left(BRIEF)))
    limits = UNKNOWN if measured.end != "done" else machine.as_ceilings(measured.answers)
    bench = Bench(device, torch.get_num_threads(), not scale.small, limits, scratch, data=folder)
    for name in given.only or PARTS:
        work, limit = PARTS[name]
        done(run(name, partial(work, Setting(bench, scale)), left(limit)))
    print(report.text(outcomes, gpu))
    print(f"saved in {_save(given, outcomes, device, scale.small)}")
    bad = report.wrong(outcomes, gpu)
    if bad:
        print(f"not right: {', '.join(bad)}", file=sys.stderr)
    return int(bool(bad))


def _device(outcome: Outcome) -> str:
    """Return the device that torch found. Raises ConfigError if it could not even look."""
    if outcome.end != "done":
        raise ConfigError(f"torch cannot tell whether there is a GPU: {outcome.reason}. Name it: --device cuda or cpu.")
    return outcome.answers[0].note


def _prepared(data: Path, scratch: Path) -> Path:
    """Return the prepared folder that was given, as itself or packed. Raises DataError: it is neither."""
    wanted = f"--data {data}: a prepared folder (<out>/store/prepared/<key>) or a file of tests/perf/pack.py was wanted"
    if not data.exists():
        raise DataError(f"{wanted}, and there is nothing.")
    try:
        folder = data if data.is_dir() else unpack(data, scratch / "data")
        masks = [case.case for case in Prepared.open(folder).cases if case.has_mask]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{wanted}; it cannot be read as one: {error!r}.") from error
    if len(masks) < 2:
        raise DataError(f"{wanted} with masks of at least 2 volumes, to train and to validate; it has {len(masks)}.")
    return folder


def _save(given: argparse.Namespace, outcomes: list[Outcome], device: str, small: bool) -> Path:
    now = datetime.now(UTC)
    versions = {answer.what: answer.note for o in outcomes if o.part == "versions" for answer in o.answers}
    content = {
        "date": now.isoformat(timespec="seconds"),
        "device": device,
        "scale": "tiny" if small else "full",
        "data": None if given.data is None else given.data.name,
        "seconds": round(sum(outcome.seconds for outcome in outcomes), 1),
        "versions": versions,
        "parts": report.record(outcomes, device == "cuda"),
    }
    given.out.mkdir(parents=True, exist_ok=True)
    path: Path = given.out / f"{now:%Y%m%dT%H%M%S%f}Z.json"
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    return path


if __name__ == "__main__":
    sys.exit(main())
