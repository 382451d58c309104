"""What a terminal shows of the trials of a tuning."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from alseg_core.events import Progress
from bench.planning.forecast import Course, Round
from bench.terminal.progress import Display
from bench.tuning.trial_progress import TrialProgress
from bench.tuning.tuning_run import all_alike

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
    progress.ended(5, "0.700 after 2 seed(s)", own=False, failed=False)
    progress.ended(4, "0.800 after 2 seed(s)", own=True, failed=False)
    progress.ended(6, "cannot be run: the loss is NaN", own=False, failed=False)  # refused before it started
    first, *trials = out.getvalue().splitlines()
    assert first == "starting Ray"
    assert [line.partition(" (0 s")[0] for line in trials] == [
        "[5/7] trial 5: 0.700 after 2 seed(s), 0 s",
        "[6/7] trial 4 (own settings): 0.800 after 2 seed(s), 0 s",
        "[7/7] trial 6: cannot be run: the loss is NaN",
    ]


@pytest.mark.parametrize(
    ("scores", "words"),
    [([0.0, 0.0], "find no structure at all"), ([0.5] * 3, "none of these settings has any effect")],
)
def test_trials_that_all_score_the_same_teach_nothing(scores: list[float], words: str) -> None:
    said = all_alike(scores)
    assert said is not None and words in said and f"all {len(scores)} trials" in said


@pytest.mark.parametrize("scores", [[], [0.0], [0.0, 0.1]])
def test_trials_that_differ_are_no_reason_for_a_note(scores: list[float]) -> None:
    assert all_alike(scores) is None
