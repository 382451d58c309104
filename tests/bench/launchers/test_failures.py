"""What a run that fails leaves behind and says, whatever made it fail, and that the others do not notice."""

from __future__ import annotations

import dataclasses
import errno
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from alseg_core.errors import DataError
from alseg_core.events import RoundFinished
from alseg_core.results import RunFolder
from alseg_core.strategies import STRATEGIES
from bench.cli import main
from bench.launchers import ray_tune
from bench.launchers.failures import reason_of
from bench.launchers.launcher import Policy
from bench.launchers.local import LocalLauncher
from bench.launchers.ray_cluster import Cluster
from bench.study import Study
from bench.study.job import Job, RunEnded, RunRetried, StudyEvent

DISK_MB = 3
LIMIT = 0.4
"""Minutes without progress; runs that do not hang report every second, on a busy machine too."""
REASONS = {
    "raises": "ZeroDivisionError: no slices",
    "exits": "SystemExit: 3",
    "out_of_memory": "GPU out of memory (Tried to allocate 2.00 GiB): let fewer runs share a GPU (raise "
    "resources.gpus), or lower batch of the trainer or encoder",
    "hangs": "no progress for 0.4 min in round 2, select: time limit (stalled_after=0.4)",
}


@pytest.fixture
def faulty() -> Iterator[None]:
    """The faulty strategies, known for the time of a test."""
    import bench.launchers.ray_preload  # noqa: F401  # a time limit must not run out while a library is being imported
    import tests.bench.launchers.faulty as module

    for name, strategy in module.FAULTY.items():
        STRATEGIES.setdefault(name, strategy)
    yield
    for name in module.FAULTY:
        del STRATEGIES[name]


def fill(disk: Path, leave: int = 0) -> None:
    """Fill the disk until ``leave`` bytes are left."""
    with (disk / "filler").open("ab", buffering=0) as file:
        try:
            file.write(bytes(max(0, shutil.disk_usage(disk).free - leave)))
            while not leave:
                file.write(bytes(4096))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def jobs_of(study_file: Path, out: Path) -> list[Job]:
    study = Study.find(str(study_file))
    return [Job.of(config, out / study.name) for config in study.runs()]


def with_faulty(jobs: list[Job], names: list[str]) -> list[Job]:
    """A job of each faulty strategy, and then the others."""
    return [
        dataclasses.replace(
            jobs[0],
            key=name,
            folder=jobs[0].folder.with_name(name),
            raw={**jobs[0].raw, "recipe": {"name": name, "strategy": {"name": name}}},
        )
        for name in names
    ] + jobs


def check(jobs: list[Job], told: list[tuple[str, StudyEvent]], retries: int) -> None:
    """Faulty jobs are reported with their reason and keep their first round, the others are done."""
    ends = {key: event.failure for key, event in told if isinstance(event, RunEnded)}
    assert ends == {job.key: REASONS.get(job.key) for job in jobs}
    for job in jobs:
        again = [event.reason for key, event in told if key == job.key and isinstance(event, RunRetried)]
        assert again == [REASONS[job.key]] * retries if job.key in REASONS else again == []
        rounds = [e.record.round for k, e in told if k == job.key and isinstance(e, RoundFinished)]
        assert rounds == ([0] if job.key in REASONS else [0, 1, 2])  # a retry does not do the first round again
        assert RunFolder(job.folder).failure() == REASONS.get(job.key)


def test_faults_in_this_process(faulty: None, study_file: Path, tmp_path: Path) -> None:
    jobs = with_faulty(jobs_of(study_file, tmp_path / "out"), ["raises", "exits", "out_of_memory"])
    told: list[tuple[str, StudyEvent]] = []
    policy = Policy(tmp_path, tmp_path / "store", retries=1)
    LocalLauncher().run(jobs, policy, lambda key, event: told.append((key, event)))
    check(jobs, told, 1)


@pytest.mark.slow
def test_a_run_that_hangs_in_this_process(faulty: None, study_file: Path, tmp_path: Path) -> None:
    jobs = with_faulty(jobs_of(study_file, tmp_path / "out"), ["hangs"])[:1]
    told: list[tuple[str, StudyEvent]] = []
    before = signal.getsignal(signal.SIGURG)
    policy = Policy(tmp_path, tmp_path / "store", stalled_after=LIMIT)
    LocalLauncher().run(jobs, policy, lambda key, event: told.append((key, event)))
    check(jobs, told, 0)
    assert signal.getsignal(signal.SIGURG) == before


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_faults_in_ray_workers(
    faulty: None, study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.setenv(
        "RAY_preload_python_modules", "ray.tune,bench.launchers.ray_preload,tests.bench.launchers.faulty"
    )
    hangs, out_of_memory, exits, random, strided = with_faulty(
        jobs_of(study_file, tmp_path / "out"), ["hangs", "out_of_memory", "exits"]
    )
    told: list[tuple[str, StudyEvent]] = []

    def tell(key: str, event: StudyEvent) -> None:
        told.append((key, event))

    with Cluster(2) as cluster:
        for jobs, limit in (([out_of_memory, exits, random], None), ([hangs, strided], LIMIT)):
            ray_tune.execute(jobs, Policy(tmp_path, tmp_path / "store", stalled_after=limit), tell, cluster)
    check([hangs, out_of_memory, exits, random, strided], told, 0)
    assert "time.sleep(0.1)" in (hangs.folder / "failure.json").read_text()  # where it hung
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err == ""


COMPILED = """
import hashlib, pathlib, sys
import bench.launchers.watchdog
bench.launchers.watchdog.GRACE_S = 0.3
folder = pathlib.Path(sys.argv[1])
with bench.launchers.watchdog.Watchdog(0.005, lambda reason, trace: (folder / "failure").write_text(reason + trace)):
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # many minutes within compiled code
"""


THREAD = """
import pathlib, sys, threading, time
from bench.launchers.watchdog import Watchdog
folder = pathlib.Path(sys.argv[1])
def run():
    with Watchdog(0.005, lambda reason, trace: (folder / "failure").write_text(reason + trace)):
        time.sleep(600)
threading.Thread(target=run).start()
"""


@pytest.mark.parametrize("code", [COMPILED, THREAD], ids=["compiled code", "another thread"])
def test_what_cannot_be_interrupted_ends_with_its_process(code: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    reason = "no progress for 0.005 min at its start: time limit (stalled_after=0.005)"
    assert done.returncode == 1
    told = f"{reason}; it cannot be interrupted, so the whole command ends\n"
    assert done.stderr == (told if code == COMPILED else "")  # the driver tells it of a worker
    assert (tmp_path / "failure").read_text().startswith(reason + "thread ")


def raised(action: Callable[[], Any]) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011  # whatever it is
        action()
    return caught.value


def test_reasons() -> None:
    assert reason_of(DataError("one\ntwo")) == "one"
    assert reason_of(KeyError("a")) == "KeyError: 'a'" and reason_of(ValueError()) == "ValueError"
    for allocate in (lambda: np.zeros(10**15), lambda: torch.zeros(10**15)):
        reason = reason_of(raised(allocate))
        assert reason.startswith("out of memory (") and "fewer runs" in reason and "\n" not in reason


def test_a_full_disk_is_called_so_by_whatever_met_it(small_disk: Path) -> None:
    big = np.random.default_rng(0).integers(0, 255, 4_000_000).astype(np.uint8)

    def table() -> None:
        connection = sqlite3.connect(small_disk / "db")
        connection.execute("create table t (x)")
        for _ in range(50):
            connection.execute("insert into t values (?)", (big.tobytes()[:100_000],))
        connection.commit()

    writers: list[Callable[[], Any]] = [
        lambda: np.save(small_disk / "a.npy", big),
        lambda: np.savez_compressed(small_disk / "a.npz", a=big),
        lambda: torch.save({"a": torch.from_numpy(big)}, small_disk / "a.pt"),
        lambda: (small_disk / "a.txt").write_bytes(big.tobytes()),
        lambda: (fill(small_disk), (small_disk / "folder").mkdir(), (small_disk / "folder" / "x").write_text("x")),
        table,
    ]
    for write in writers:
        expected = f"disk full: {small_disk}; free space there and run the same command again"
        assert reason_of(raised(write), small_disk) == expected
        for path in small_disk.iterdir():
            path.unlink() if path.is_file() else shutil.rmtree(path)


def test_a_disk_that_is_full_for_a_while_costs_no_finished_round(study_file: Path, small_disk: Path) -> None:
    jobs = jobs_of(study_file, small_disk / "out")
    told: list[tuple[str, StudyEvent]] = []

    def tell(key: str, event: StudyEvent) -> None:
        told.append((key, event))
        if key == jobs[0].key and isinstance(event, RoundFinished) and event.record.round == 0:
            fill(small_disk)

    store = small_disk / "out" / "store"
    LocalLauncher().run(jobs, Policy(store.parent, store), tell)
    ends = {key: event.failure for key, event in told if isinstance(event, RunEnded)}
    for job in jobs:
        assert (ends[job.key] or "").startswith(f"disk full: {small_disk / 'out'}"), ends
    before = [(job.folder / "rounds.jsonl").read_text() if job.folder.exists() else "" for job in jobs[:1]]
    assert before[0].count("\n") == 1

    (small_disk / "filler").unlink()
    LocalLauncher().run(jobs, Policy(store.parent, store), lambda key, event: None)
    assert all(job.finished() for job in jobs)
    assert (jobs[0].folder / "rounds.jsonl").read_text().startswith(before[0])
    assert all(RunFolder(job.folder).failure() is None for job in jobs)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_disk_that_is_full_does_not_stop_ray(study_file: Path, small_disk: Path) -> None:
    jobs = jobs_of(study_file, small_disk / "out")
    policy = Policy(small_disk / "out" / "small", small_disk / "out" / "store")
    ends: dict[str, str | None] = {}

    def tell(key: str, event: StudyEvent) -> None:
        if isinstance(event, RoundFinished):
            fill(small_disk)
        elif isinstance(event, RunEnded):
            ends[key] = event.failure

    def kept() -> list[str]:
        files = [job.folder / "rounds.jsonl" for job in jobs]
        return [file.read_text() if file.exists() else "" for file in files]

    with Cluster(1) as cluster:
        ray_tune.execute(jobs, policy, tell, cluster)
        before = kept()
        assert before[0] and len(ends) == len(jobs)
        assert (ends[jobs[-1].key] or "").startswith(f"disk full: {small_disk / 'out'}"), ends
        (small_disk / "filler").unlink()
        ray_tune.execute([job for job in jobs if not job.finished()], policy, lambda *_: None, cluster)
    assert all(job.finished() for job in jobs)
    assert all(now.startswith(then) for now, then in zip(kept(), before, strict=True))


@pytest.mark.parametrize("leave", [0, 200_000])
def test_the_command_on_a_full_disk_is_one_message(leave: int, study_file: Path, small_disk: Path) -> None:
    fill(small_disk, leave)
    command = ["bench", str(study_file), "--local", "--out", str(small_disk / "out")]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    assert result.exit_code in (1, 2), result.output
    assert "Traceback" not in result.output
    assert "disk full" in result.output or "No space left" in result.output
    assert "free" in result.output


@pytest.mark.slow
def test_a_store_of_mlflow_that_is_locked_or_down_costs_only_the_tracking(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.launchers.study_run.TRACKING_WAIT_S", 4.0)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    out = tmp_path / "out"
    out.mkdir()
    command = ["bench", str(study_file), "--local", "--out", str(out)]
    lock = sqlite3.connect(out / "mlflow.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    locked = CliRunner().invoke(main, command, catch_exceptions=False)
    assert locked.exit_code == 0, locked.output
    assert "not tracked in sqlite:///" in locked.output and "the same command makes up for it" in locked.output
    lock.close()

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    down = CliRunner().invoke(main, command, catch_exceptions=False)
    assert down.exit_code == 0 and "not tracked in http://127.0.0.1:9" in down.output
    assert "Traceback" not in locked.output + down.output

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setattr("bench.launchers.study_run.TRACKING_WAIT_S", 60.0)
    caught_up = CliRunner().invoke(main, command, catch_exceptions=False)
    assert caught_up.exit_code == 0 and "not tracked" not in caught_up.output, caught_up.output
