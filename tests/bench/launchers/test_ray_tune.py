from __future__ import annotations

import dataclasses
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from alseg_core.errors import ResultsError
from alseg_core.events import Event, Progress, RoundFinished, RunStarted
from alseg_core.results import RunFolder
from alseg_core.vocabulary import RoundRecord
from bench.launchers import ray_tune
from bench.launchers.launcher import Policy
from bench.launchers.local import LocalLauncher
from bench.launchers.ray_cluster import Cluster
from bench.launchers.run_queue import DIED, RunQueue
from bench.study import Study
from bench.study.job import Job, RunEnded, RunRetried, StudyEvent
from tests.bench.conftest import BROKEN


def holder(path: Path) -> int:
    """Id of the process that has this file open."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if any(os.readlink(link) == str(path) for link in (entry / "fd").iterdir()):
                return int(entry.name)
        except OSError:
            continue
    raise AssertionError(f"nobody holds {path}")


def picks(job: Job) -> list[list[dict[str, object]]]:
    return [record.selected for record in RunFolder(job.folder).records()]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_trials_that_fail_or_die_do_not_hurt_the_others(
    study_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    study = Study.find(str(study_file))
    random, strided = (Job.of(config, tmp_path / "ray_out" / study.name) for config in study.runs())
    raw = {**random.raw, "recipe": BROKEN}
    broken = dataclasses.replace(random, key="broken", raw=raw, folder=random.folder.with_name("broken"))
    told: list[tuple[str, StudyEvent]] = []
    killed: list[int] = []

    def tell(key: str, event: StudyEvent) -> None:
        told.append((key, event))
        if key == random.key and isinstance(event, RoundFinished) and not killed:
            killed.append(holder(random.folder / "lock"))
            assert killed[0] != os.getpid()
            os.kill(killed[0], signal.SIGKILL)

    scratch = tmp_path / "ray_out" / study.name / "ray"
    policy = Policy(scratch.parent, tmp_path / "ray_out" / "store", retries=1)
    with Cluster(2) as cluster:
        ray_tune.execute([broken, random, strided], policy, tell, cluster)

    ends = {key: event.failure for key, event in told if isinstance(event, RunEnded)}
    retried = {key: event.reason for key, event in told if isinstance(event, RunRetried)}
    assert ends.keys() == {"broken", random.key, strided.key}
    assert ends[random.key] is None and ends[strided.key] is None
    assert ends["broken"] is not None and "Try a lower lr" in ends["broken"] and "Traceback" not in ends["broken"]
    assert retried["broken"] == ends["broken"] and retried[random.key] == DIED
    assert RunFolder(broken.folder).failure() == ends["broken"] and RunFolder(random.folder).failure() is None
    assert not scratch.exists()
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err == ""

    undisturbed = [dataclasses.replace(job, folder=tmp_path / "alone" / job.key) for job in (random, strided)]
    LocalLauncher().run(undisturbed, Policy(tmp_path, policy.store), lambda key, event: None)
    assert picks(random) == picks(undisturbed[0]) and picks(strided) == picks(undisturbed[1])
    scores = [[r.summary for r in RunFolder(job.folder).records()] for job in (random, undisturbed[0])]
    assert scores[0] == scores[1]


def workers() -> set[int]:
    """Ids of the worker processes of this process's own Ray."""
    parents, workers = {}, set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit():
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if (entry / "cmdline").read_bytes().startswith(b"ray::"):
                    workers.add(int(entry.name))
        except OSError:
            continue

    def ours(process: int) -> bool:
        return process == os.getpid() or (process in parents and ours(parents[process]))

    return {worker for worker in workers if ours(worker)}


def processes(jobs: list[Job], out: Path) -> tuple[set[int], set[int]]:
    """Processes that ran the jobs, one at a time, and those that had started with Ray."""
    by_key = {job.key: job for job in jobs}
    told: list[tuple[str, StudyEvent]] = []
    used: set[int] = set()

    def tell(key: str, event: StudyEvent) -> None:
        told.append((key, event))
        if isinstance(event, RoundFinished) and event.record.round == 0:
            used.add(holder(by_key[key].folder / "lock"))

    with Cluster(1) as cluster:
        cluster.wait()
        while not (started := workers()):
            time.sleep(0.1)
        ray_tune.execute(jobs, Policy(out, out / "store"), tell, cluster)
    assert [event.failure for _, event in told if isinstance(event, RunEnded)] == [None] * len(jobs)
    return used, started


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_trials_run_in_the_worker_processes_that_started_with_ray(study_file: Path, tmp_path: Path) -> None:
    """On a busy machine Ray may lose patience with a worker and start another, so there are further tries."""
    study = Study.find(str(study_file), ["seeds=2"])
    for attempt in range(4):
        jobs = [Job.of(config, tmp_path / str(attempt) / study.name) for config in study.runs()]
        used, started = processes(jobs, tmp_path / str(attempt))
        if len(used) == 1 and used <= started:
            break
    assert len(used) == 1 and used <= started


def test_a_run_does_not_wait_for_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    waited: list[bool] = []
    events: list[Event] = [RunStarted((3,), 9, ()), RoundFinished(cast(RoundRecord, None)), Progress(0, "train", 1.0)]

    def slow(report: dict[str, bytes]) -> None:  # the driver is busy until the run is over
        waited.append(over.wait(20))
        assert pickle.loads(report["event"]) == events[len(waited) - 1]

    def run(raw: object, folder: Path, store: Path, tell: Callable[[Event], None], stalled_after: float) -> None:
        for event in events:
            tell(event)
        assert raw == {"a": 1} and stalled_after == 5.0
        over.set()

    monkeypatch.setattr("ray.tune.report", slow)
    monkeypatch.setattr(ray_tune, "run_one", run)
    ray_tune._trial({"key": "k"}, {"k": (pickle.dumps({"a": 1}), "folder")}, "store", str(tmp_path), 5.0)
    assert waited == [True] * 3


def test_a_failure_is_told_before_it_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[dict[str, object]] = []
    monkeypatch.setattr("ray.tune.report", reports.append)
    work = {"k": (pickle.dumps({}), str(tmp_path / "k"))}
    with pytest.raises(ResultsError, match="does not see"):
        ray_tune._trial({"key": "k"}, work, "store", str(tmp_path / "elsewhere"), None)
    assert [list(report) for report in reports] == [["failure"]] and "elsewhere" in str(reports[0]["failure"])
    assert not (tmp_path / "k").exists()


def test_progress_is_passed_on_now_and_then_and_rounds_always() -> None:
    seen: list[object] = []
    listen = ray_tune.throttled(seen.append, every=0.2)
    for _ in range(50):
        listen(Progress(0, "train", 0.5))
    assert len(seen) == 1
    time.sleep(0.25)
    listen(Progress(0, "train", 0.6))
    assert len(seen) == 2


def test_tune_asks_for_runs_until_none_is_left_and_saves_none_of_it(tmp_path: Path) -> None:
    heard: list[tuple[str, object]] = []
    jobs = [Job(key, {}, tmp_path / key, 1) for key in "ab"]
    queue = RunQueue(jobs, 1, lambda key, event: heard.append((key, event)))
    searcher = ray_tune._searcher(queue, lambda: 1)
    assert searcher.suggest("1") == {"key": "a"} and searcher.suggest("2") is None
    reported = {"event": pickle.dumps("an event")}  # Tune keeps it as long as the study runs
    searcher.on_trial_result("1", reported)
    searcher.on_trial_complete("1", reported)
    assert searcher.suggest("3") == {"key": "b"} and searcher.suggest("4") is None
    searcher.on_trial_complete("3", error=True)
    assert searcher.suggest("4") == {"key": "b"}
    searcher.on_trial_result("4", {"failure": "no luck"})
    searcher.on_trial_complete("4", error=True)
    assert searcher.suggest("5") == {"key": "b"}
    searcher.on_trial_complete("5")
    assert searcher.suggest("6") == searcher.FINISHED
    told = ["an event", RunEnded(None), RunRetried(DIED), RunRetried("no luck"), RunEnded(None)]
    assert heard == list(zip("aabbb", told, strict=True))
    assert not hasattr(pickle.loads(pickle.dumps(searcher)), "attempts")
    searcher.save_to_dir(str(tmp_path))
    assert not list(tmp_path.glob("*.pkl"))


def test_a_process_that_starts_on_a_new_node_keeps_its_run_while_places_are_free() -> None:
    from ray.tune.schedulers import FIFOScheduler

    places = 2
    scheduler = ray_tune._scheduler(lambda: places)
    trials = [SimpleNamespace(trial_id=name, status="PENDING") for name in "cab"]
    for trial in trials:
        scheduler.on_trial_add(None, trial)
    running = SimpleNamespace(trial_id="r", status="RUNNING")
    tune = SimpleNamespace(get_live_trials=lambda: {id(one): one for one in (running, *reversed(trials))}.values())
    assert scheduler.choose_trial_to_run(tune) is trials[0]  # one place is free: that of a run that has ended
    places = 4
    assert scheduler.choose_trial_to_run(tune) is None  # the processes of those that wait are starting there
    places = 1
    trials[0].status = "TERMINATED"
    assert scheduler.choose_trial_to_run(tune) is trials[1]
    assert type(pickle.loads(pickle.dumps(scheduler))) is FIFOScheduler
