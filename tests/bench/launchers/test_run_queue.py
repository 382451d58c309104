from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from alseg_core.events import Event
from alseg_core.results import RunFolder
from bench.launchers.run_queue import DIED, RESTARTS, Attempt, RunQueue
from bench.study.job import Job, RunEnded, RunRetried


class Heard:
    """A queue of two runs, and what its listener received."""

    def __init__(self, folder: Path, retries: int = 1) -> None:
        self.events: list[tuple[str, object]] = []
        jobs = [Job(key, {}, folder / key, 1) for key in "ab"]
        self.queue = RunQueue(jobs, retries, lambda key, event: self.events.append((key, event)))

    def start(self, key: str) -> Attempt:
        """Start the next run, which must be ``key``."""
        attempt = self.queue.start()
        assert attempt is not None and attempt.job.key == key
        return attempt


def test_runs_start_in_order_until_none_is_left(tmp_path: Path) -> None:
    heard = Heard(tmp_path)
    heard.start("a").finished()
    assert not heard.queue.over
    last = heard.start("b")
    assert heard.queue.start() is None and not heard.queue.over
    last.event(cast(Event, "an event"))
    last.finished()
    assert heard.events == [("a", RunEnded(None)), ("b", "an event"), ("b", RunEnded(None))]
    assert heard.queue.over and heard.queue.start() is None


def test_a_lost_machine_costs_no_retries_and_is_not_tried_for_ever(tmp_path: Path) -> None:
    heard = Heard(tmp_path, retries=0)
    for _ in range(RESTARTS + 1):
        heard.start("a").lost()
    assert heard.events == [("a", RunRetried(DIED))] * RESTARTS + [("a", RunEnded(DIED))]
    assert RunFolder(tmp_path / "a").failure() == DIED
    heard.start("b")


@pytest.mark.parametrize("said", ["by the run", "in its folder"])
def test_failures_use_up_the_retries_but_not_the_restarts(said: str, tmp_path: Path) -> None:
    heard = Heard(tmp_path, retries=1)
    RunFolder(tmp_path / "a").fail("of an earlier command", "")
    heard.start("a").lost()
    for _ in range(2):
        attempt = heard.start("a")
        if said == "by the run":
            attempt.failed("no luck")
        else:  # it ended with its process
            RunFolder(tmp_path / "a").fail("no luck", "")
            attempt.lost()
    assert heard.events == [("a", RunRetried(DIED)), ("a", RunRetried("no luck")), ("a", RunEnded("no luck"))]
