"""What a terminal shows of the trials of a tuning."""

from __future__ import annotations

import io
from pathlib import Path

import optuna
import pytest
from rich.console import Console

from alseg_core.events import Progress
from bench.launchers.launcher import Rung
from bench.planning.forecast import Course, Round
from bench.terminal.progress import Display
from bench.tuning.optuna_search import OptunaQueue
from bench.tuning.trial_progress import TrialProgress
from tests.bench.tuning.test_tuning_study import suggest, trials

COURSES = [Course((Round(train=50), Round(train=50)), (10, 10))] * 2


def test_a_trial_has_a_bar_with_its_seed_round_and_phase() -> None:
    display = Display(Console(file=io.StringIO(), force_terminal=True, width=100, height=24, color_system=None))
    progress = TrialProgress(display, COURSES, left=3, finished=4, places=2, measured=True, first="starting Ray")
    progress.started(7)
    progress.event(7, 1, Progress(0, "train", 0.25))
    overall, trial = display._bars.tasks
    assert (overall.description, trial.description) == ("4 of 7 trials", "  trial 7")
    assert trial.fields["note"] == "seed 2 of 2, round 1 of 2, train"
    assert trial.completed / (trial.total or 1) == pytest.approx((100 + 25) / 200)


def test_every_trial_leaves_a_line_with_its_outcome() -> None:
    out = io.StringIO()
    display = Display(Console(file=out, width=100))
    progress = TrialProgress(display, COURSES, left=3, finished=4, places=2, measured=True, first="starting Ray")
    progress.started(4)
    progress.started(5)
    progress.ended(5, "0.700 after 2 seeds", own=False, failed=False)
    progress.ended(4, "0.800 after 2 seeds", own=True, failed=False)
    progress.ended(6, "cannot be run: the loss is NaN", own=False, failed=False)  # refused before it started
    first, *trials = out.getvalue().splitlines()
    assert first == "starting Ray"
    assert [line.partition(" (0 s")[0] for line in trials] == [
        "[5/7] trial 5: 0.700 after 2 seeds, 0 s",
        "[6/7] trial 4 (own settings): 0.800 after 2 seeds, 0 s",
        "[7/7] trial 6: cannot be run: the loss is NaN",
    ]


def test_a_trial_that_fails_among_refused_ones_leaves_room_for_one_more(tmp_path: Path) -> None:
    out = io.StringIO()
    display = Display(Console(file=out, width=100))
    progress = TrialProgress(display, COURSES, left=3, finished=0, places=1, measured=True, first="starting Ray")
    found = trials(f"sqlite:///{tmp_path}/a.db", total=3)

    def prepare(trial: optuna.Trial) -> Path | None:
        suggest(trial)
        if trial.number in (1, 3):
            found.refused(trial, "all weights are 0")
            return None
        return tmp_path

    def tell(number: int, outcome: str) -> None:
        progress.ended(number, outcome, own=False, failed=found.all()[number].state.name == "FAIL")

    queue = OptunaQueue(found, 1, 0, prepare, tell, progress)
    first = queue.start()
    assert first is not None
    first.end("the disk is full")
    second = queue.start()
    assert second is not None
    second.report(Rung(1, 0.7))
    second.end()
    assert queue.start() is None and queue.over
    assert [line.partition(" (")[0].partition(", ")[0] for line in out.getvalue().splitlines()[1:]] == [
        "[1/3] trial 0: failed: the disk is full",
        "[2/3] trial 1: cannot be run: all weights are 0",
        "[3/3] trial 2: 0.700 after 1 seed",
        "[4/4] trial 3: cannot be run: all weights are 0",
    ]
