"""What a GPU is asked: the whole of it on a CPU at tiny sizes, and that no failure of a part is one of the others."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from alseg_core.data.prepare import Prepare, prepare
from alseg_core.data.readers.phantom import Phantom
from alseg_core.errors import AlsegError, DataError, MissingPackageError
from alseg_core.store import Store
from alseg_core.validation import Validation
from gpu_check.__main__ import BRIEF, PARTS, TOTAL
from gpu_check.answer import Answer, Target
from gpu_check.parts.precision import Computing, compared
from gpu_check.report import text, wrong
from gpu_check.runner import Outcome, run
from gpu_check.together import at_once
from pack import pack

ROOT = Path(__file__).parents[1]
BLOCKED = """
import runpy, sys
class Without:  # a finder for which all but the core's packages are not installed
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        blocked = "bench ray mlflow optuna pandas nibabel monai matplotlib rich click"
        if name.split(".")[0] in blocked.split():
            return None
        return self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
sys.argv = ["gpu_check", *sys.argv[1:]]
runpy.run_module("gpu_check", run_name="__main__")
"""


ALONE, INSTALLED = ("-c", BLOCKED), ("-m", "gpu_check")
"""Ways to start it: with the core's packages alone, and with all."""


def checked(*options: str, out: Path, start: tuple[str, str] = ALONE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *start, "--device", "cpu", "--out", str(out), *options]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/perf'}", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, cwd=out, env=environment)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed pool of three small volumes."""
    folder = tmp_path_factory.mktemp("pool")
    prepared = prepare(Phantom(patients=3, size=48), None, Prepare(size=32), Store(folder / "store"))
    pack(prepared, folder / "pool.npz", cases=1000)
    return folder / "pool.npz"


def parts_of(done: subprocess.CompletedProcess[str], folder: Path) -> dict[str, dict[str, Any]]:
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.json")
    return {part["part"]: part for part in json.loads(path.read_text())["parts"]}


def test_a_cpu_answers_everything_with_the_core_alone(pool: Path, tmp_path: Path) -> None:
    done = checked("--data", str(pool), out=tmp_path)
    assert done.stderr.startswith("device: CPU; no GPU is used")
    parts = parts_of(done, tmp_path)
    assert set(parts) == {"versions", "ceilings", *PARTS}
    # what needs monai says so, and everything else is measured
    assert {name for name, part in parts.items() if part["end"] != "done"} == {"3D", "scoring"}
    assert all("monai" in parts[name]["reason"] for name in ("3D", "scoring"))
    values = {answer["what"]: answer["value"] for part in parts.values() for answer in part["answers"]}
    for what in ("DMPLS step", "full step", "encoder epoch", "BALD, a slice", "5 members in turn", "3 runs at once"):
        assert values[what] > 0 and what in done.stdout
    rows = {answer["what"]: answer for answer in parts["precision"]["answers"]}
    for half in ("float16", "bfloat16"):  # networks of six steps have learned nothing, which is no success
        dice, moved = (
            rows[f"Dice, {half} against float32 predictions"],
            rows[f"probability that moves, {half} and float32"],
        )
        assert dice["met"] is None and dice["note"].startswith("not judged, as the network has learned nothing")
        assert moved["met"] and 0 < moved["value"] < 1e-3
    speed = [a for part in parts.values() for a in part["answers"] if a["target"] and a["target"]["speed"]]
    assert all(answer["met"] is None for answer in speed)


@pytest.mark.slow
def test_with_monai_nothing_is_left_out(pool: Path, tmp_path: Path) -> None:
    parts = parts_of(checked("--data", str(pool), out=tmp_path, start=INSTALLED), tmp_path)
    assert {name for name, part in parts.items() if part["end"] != "done"} == set()
    whats = {answer["what"] for name in ("3D", "scoring") for answer in parts[name]["answers"]}
    assert any("3D" in what for what in whats) and any("volume" in what for what in whats)


def test_parts_that_use_all_their_time_leave_some_to_the_last() -> None:
    assert 3 * BRIEF + sum(limit for _, limit in PARTS.values()) <= TOTAL  # device, versions and ceilings come first


def test_data_that_are_none_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "pool.npz").write_text("no archive")
    done = checked("--data", str(tmp_path / "pool.npz"), out=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("error: --data") and "pack.py was wanted" in done.stderr
    assert "Traceback" not in done.stderr


ONE = Answer("one", value=1.0)


def broken() -> Iterator[Answer]:
    yield ONE
    raise RuntimeError("CUDA error: an illegal memory access was encountered\nand more")


def killed() -> Iterator[Answer]:
    yield ONE
    os.kill(os.getpid(), 9)


def hanging() -> Iterator[Answer]:
    yield ONE
    time.sleep(600)


def incomplete() -> Iterator[Answer]:
    yield ONE
    raise MissingPackageError("package x is not installed")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # pytest's is, since 3.12
@pytest.mark.parametrize(
    ("work", "end", "reason"),
    [
        (broken, "failed", "RuntimeError: CUDA error: an illegal memory access was encountered"),
        (killed, "failed", "its process ended with SIGKILL, as a process is that needs more memory than there is"),
        (hanging, "failed", "stopped after its limit of 3 s"),
        (incomplete, "left out", "MissingPackageError: package x is not installed"),
    ],
)
def test_what_was_measured_before_a_failure_is_kept(work, end: str, reason: str) -> None:
    outcome = run("part", work, 3.0 if work is hanging else 60.0)
    assert outcome.answers == (ONE,) and (outcome.end, outcome.reason) == (end, reason)
    assert ("Traceback" in outcome.details) == (work is broken)


def test_a_part_without_time_is_left_out() -> None:
    assert run("part", hanging, -3.0).reason == "no time was left"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_start_together_and_a_failure_of_one_is_told() -> None:
    timed = at_once(2, lambda: os.getpid)
    assert len(set(timed.results)) == 2 and os.getpid() not in timed.results and timed.seconds < 60

    def prepare() -> NoReturn:
        raise DataError("no slices")

    with pytest.raises(AlsegError, match="process . of 2: DataError: no slices"):
        at_once(2, prepare)


@pytest.mark.parametrize(
    ("value", "speed", "gpu", "met", "verdict"),
    [
        (1.5e-3, True, True, True, "met by 25%"),
        (3e-3, True, True, False, "missed by 50%"),
        (3e-3, True, False, None, ""),
        (3e-3, False, False, False, "missed by 50%"),
    ],
)
def test_targets_of_speed_are_judged_on_a_gpu_alone(value, speed, gpu, met, verdict) -> None:
    answer = Answer("step", value=value, target=Target(2e-3, speed))
    assert answer.met(gpu) is met and answer.verdict(gpu) == verdict
    outcome = Outcome("steps", (answer,), "done", "", 1.0)
    assert wrong([outcome], gpu) == (["steps (step)"] if not speed else [])
    assert ("missed" in text([outcome], gpu)) == (met is False)


def test_a_share_of_unknown_ceilings_is_none() -> None:
    assert Answer("step", value=2.0, floor=1.0).share == 0.5
    assert Answer("step", value=2.0, floor=math.nan).share is None


def test_a_network_computes_in_the_arithmetic_that_is_asked_for() -> None:
    torch.manual_seed(0)
    network, images = torch.nn.Conv2d(1, 2, 3), torch.rand(1, 1, 8, 8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert Computing(network, torch.float32)(images).dtype == torch.float32
        assert Computing(network, torch.bfloat16)(images).dtype == torch.bfloat16
        assert Computing(network, torch.float16)(images).dtype == torch.float16


def test_half_precision_that_changes_predictions_is_found() -> None:
    """Logits that overflow in float16 are infinite there; bfloat16 has the range of float32."""
    torch.manual_seed(0)
    network, images = torch.nn.Conv2d(1, 3, 3, padding=1), torch.randn(4, 1, 16, 16)
    with torch.inference_mode():
        network.weight *= 1e5
        truth = network(images).max(dim=1).indices.to(torch.uint8)

    def met(masks: torch.Tensor, arithmetic: torch.dtype) -> list[bool | None]:
        validation = Validation(images, (4,), masks, 3)
        return [answer.met(gpu=False) for answer in compared(network, validation, arithmetic, "16^2")]

    assert met(truth, torch.float16) == [False, False, False]
    assert met((truth + 1) % 3, torch.float16) == [None, False, False]  # it has learned nothing
    with torch.inference_mode():
        network.weight *= 1e-5
    assert met(truth, torch.float16) == [True, True, True]


def test_a_pool_is_packed_into_the_size_that_is_asked_for(tmp_path: Path) -> None:
    folder = prepare(Phantom(patients=4, size=48), None, Prepare(size=16), Store(tmp_path))
    whole = pack(folder, tmp_path / "all.npz", cases=1000)
    size = (tmp_path / "all.npz").stat().st_size
    assert 0 < pack(folder, tmp_path / "some.npz", 1000, most=0.6 * size) < whole
    assert (tmp_path / "some.npz").stat().st_size <= 0.6 * size
    with pytest.raises(DataError, match="its first case takes"):
        pack(folder, tmp_path / "none.npz", 1000, most=100.0)
    assert not (tmp_path / "none.npz").exists()
