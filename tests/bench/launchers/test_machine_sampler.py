"""Samples of the machine while a run works."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any, cast

import pytest

from alseg_core.device.usage import FILE, recorded
from alseg_core.events import Event, RoundFinished, RunStarted
from alseg_core.results import RunFolder
from alseg_core.vocabulary import RoundRecord
from bench.launchers import sampler
from bench.launchers.sampler import Sampler
from bench.launchers.worker import run_one

RECORD = cast(RoundRecord, None)
STARTED = RunStarted(budgets=(2, 4), pool=10, finished=(RECORD,))


def until(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(recorded(folder)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_samples_are_taken_from_the_first_event_until_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "EVERY_S", 0.02)
    with Sampler(tmp_path) as samples:
        time.sleep(0.1)
        assert not (tmp_path / FILE).exists()  # the folder may still be another process's
        samples(STARTED)
        until(tmp_path, 3)
    taken = len(recorded(tmp_path))
    time.sleep(0.1)
    assert len(recorded(tmp_path)) == taken


def test_a_finished_run_takes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "EVERY_S", 0.02)
    with Sampler(tmp_path) as samples:
        samples(RunStarted(budgets=(2, 4), pool=10, finished=(RECORD, RECORD)))
        time.sleep(0.1)
    assert not (tmp_path / FILE).exists()


def test_a_folder_that_is_gone_disturbs_no_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with Sampler(folder) as samples:
        samples(STARTED)
        shutil.rmtree(folder)
        samples(RoundFinished(RECORD))
    assert not folder.exists()


def test_a_round_is_a_sample_before_the_driver_learns_of_it_and_no_result(tiny: dict[str, Any], tmp_path: Path) -> None:
    run, seen = tmp_path / "run", list[int]()

    def listen(event: Event) -> None:
        if isinstance(event, RoundFinished):
            seen.append(len(recorded(run)))

    run_one(tiny, run, tmp_path / "store", listen)
    rounds = len(tiny["budgets"])
    assert len(seen) == rounds and all(count >= number for number, count in enumerate(seen, 1))
    assert all(sample.cpu_percent > 0 and sample.memory_gb > 0 for sample in recorded(run))
    assert all(FILE not in record.files for record in RunFolder(run).records())
