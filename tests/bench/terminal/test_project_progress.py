"""What a terminal shows while a project's rounds are trained and measured."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from alseg_core.events import Noticed, Progress, RoundFinished
from alseg_core.vocabulary import RoundRecord
from bench.terminal.progress import Display
from bench.terminal.project_progress import ProjectProgress


def record(number: int, train_s: float = 60.0) -> RoundRecord:
    seconds = {"select": 1.0, "train": train_s, "evaluate": 30.0, "cover": 10.0}
    return RoundRecord(number, 12, 0.1, 0.2, 1.0, [], [], 0, [], {"dice": 0.81234}, seconds, [])


def test_a_round_is_chosen_trained_and_measured() -> None:
    out = io.StringIO()
    with Display(Console(file=out, width=100)) as display:
        progress = ProjectProgress(display, lambda number: number, [record(0)], "checking the scans")
        progress(Progress(1, "train", 0.6, 0.2))
        progress(Noticed("the networks of round 1 are trained again"))
        progress(RoundFinished(record(1)))
        for share in (0, 50):
            progress(Progress(2, f"embed {share}%", 0.6))
        progress(Progress(2, "select", 0.6))
        progress.begin({0: 100.0, 1: 300.0})
        progress.move(0, 0.5)
        progress.end(0, "2 patients were wanted", failed=True)
        progress.end(1, "Dice 0.700", failed=False)
    lines = [line.partition(" (")[0] for line in out.getvalue().splitlines()]
    assert lines == [
        "the networks of round 1 are trained again",
        "[1/1] round 1: trained on 12 slices, Dice 0.812",
        "round 2: embedding the slices",  # once
        "round 2: choosing slices",
        "[1/2] round 0: cross-validation: 2 patients were wanted",
        "[2/2] round 1: cross-validation: Dice 0.700",
    ]


def test_the_time_left_follows_from_the_round_before(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    display = Display(Console(file=io.StringIO(), width=100))
    progress = ProjectProgress(display, lambda number: number + 1, [record(0)], "checking the scans")
    progress(Progress(1, "train", 0.5, 0.0))
    assert display.pace.left() == pytest.approx(100)  # 60 s of training, 30 of evaluation, 10 of the cover radius
    now += 30
    progress(Progress(1, "train", 0.75, 0.5))
    assert display.pace.left() == pytest.approx(70)
    progress(Progress(1, "evaluate 50%", 1.0, 1.0))  # as fast as this one is, the rest will be too
    assert 5 < (display.pace.left() or 0) < 25


def test_without_a_round_before_nothing_is_foretold() -> None:
    display = Display(Console(file=io.StringIO(), width=100))
    progress = ProjectProgress(display, lambda number: number + 1, [], "checking the scans")
    progress(Progress(0, "train", 0.0, 0.0))
    assert display.pace.left() is None
