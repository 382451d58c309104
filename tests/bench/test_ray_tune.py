from __future__ import annotations

import dataclasses
import os
import signal
import time
from pathlib import Path

import pytest

from alseg_core.events import Progress, RoundFinished
from alseg_core.results import RunFolder
from bench import local, ray_tune
from bench.study import Study
from bench.worker import Job, RunEnded, RunRetried, StudyEvent
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


@pytest.mark.timeout(180)
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
    ray_tune.execute([broken, random, strided], tmp_path / "ray_out" / "store", 1, tell, scratch)

    ends = {key: event.failure for key, event in told if isinstance(event, RunEnded)}
    retried = {key: event.reason for key, event in told if isinstance(event, RunRetried)}
    assert ends.keys() == {"broken", random.key, strided.key}
    assert ends[random.key] is None and ends[strided.key] is None
    assert ends["broken"] is not None and "Try a lower lr" in ends["broken"] and "Traceback" not in ends["broken"]
    assert retried["broken"] == ends["broken"] and retried[random.key] == ray_tune.DIED
    assert RunFolder(broken.folder).failure() == ends["broken"] and RunFolder(random.folder).failure() is None
    assert not scratch.exists()
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err == ""

    undisturbed = [dataclasses.replace(job, folder=tmp_path / "alone" / job.key) for job in (random, strided)]
    local.execute(undisturbed, tmp_path / "ray_out" / "store", 0, lambda key, event: None)
    assert picks(random) == picks(undisturbed[0]) and picks(strided) == picks(undisturbed[1])
    scores = [[r.summary for r in RunFolder(job.folder).records()] for job in (random, undisturbed[0])]
    assert scores[0] == scores[1]


def test_progress_is_passed_on_now_and_then_and_rounds_always() -> None:
    seen: list[object] = []
    listen = ray_tune.throttled(seen.append, every=0.2)
    for _ in range(50):
        listen(Progress(0, "train", 0.5))
    assert len(seen) == 1
    time.sleep(0.25)
    listen(Progress(0, "train", 0.6))
    assert len(seen) == 2


def test_death_without_a_word_is_written_down(tmp_path: Path) -> None:
    job = Job("k", {}, tmp_path / "k", 1)
    assert ray_tune.failure_of(job) == ray_tune.DIED == RunFolder(job.folder).failure()
