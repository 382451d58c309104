from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from alseg_core.events import Noticed, Progress, RunStarted
from bench.planning.forecast import Course, Forecast, Round
from bench.study.job import Job, RunEnded, RunRetried
from bench.terminal.progress import Display, duration, labels


def job(recipe: str, seed: int, dataset: str = "acdc") -> Job:
    raw = {
        "dataset": {"name": dataset},
        "annotation": {"name": "mask"},
        "schedule": "default",
        "recipe": {"name": recipe},
        "seed": seed,
    }
    return Job(f"{dataset}-{recipe}-{seed}", raw, Path("nowhere"), 3)


def test_labels_tell_runs_apart_and_no_more() -> None:
    assert labels([job("random", 0), job("random", 1)]) == {
        "acdc-random-0": "random, seed 0",
        "acdc-random-1": "random, seed 1",
    }
    both = labels([job("random", 0), job("random", 0, "chaos")])
    assert both == {"acdc-random-0": "acdc random, seed 0", "chaos-random-0": "chaos random, seed 0"}


def test_a_live_display_fits_80_columns_and_leaves_nothing_behind() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None)
    jobs = [job("oracle_foreground", 0), job("random", 11)]
    with Display(console) as display:
        display.start(jobs)
        for one in jobs:
            display(one.key, RunStarted((1, 2, 3), 9, ()))
            display(one.key, Progress(1, "embed 100%", 0.4))
        display._progress.refresh()
        assert "round 2 of 3, embed 100%" in out.getvalue() and "…" not in out.getvalue()
        assert "0 of 2 runs" in out.getvalue() and " elapsed, about " in out.getvalue()
        display(jobs[1].key, RunRetried("no memory"))
        for one in jobs:
            display(one.key, RunEnded(None))
    assert "trying again: random, seed 11: no memory" in out.getvalue()


def test_plain_lines_without_a_terminal() -> None:
    out = io.StringIO()
    with Display(Console(file=out, width=80)) as display:
        display.start([job("random", 0), job("strided", 0)])
        display("acdc-random-0", RunStarted((1, 2, 3), 9, ()))
        display("acdc-random-0", Noticed("state_0.pt is missing"))
        display("acdc-random-0", Progress(1, "train", 0.4))
        display("acdc-random-0", RunEnded(None))
        display("acdc-strided-0", RunEnded("disk full"))
    assert out.getvalue().splitlines() == [
        "random, seed 0: state_0.pt is missing",
        "[1/2] random, seed 0: finished",
        "[2/2] strided, seed 0: failed: disk full",
    ]


def live(courses: dict[str, Course], places: int) -> Display:
    """A live display of a study that was measured."""
    display = Display(Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None))
    display.start([job(key.split("-")[1], int(key[-1])) for key in courses], Forecast(courses, places, measured=True))
    return display


def test_time_left_starts_at_the_forecast_and_follows_the_pace() -> None:
    """An encoder of 300 s in a run of 400 s, beside a run of 100 s."""
    courses = {
        "acdc-gcl-0": Course((Round(embed=300, train=100),), (50,)),
        "acdc-random-0": Course((Round(train=100),), (50,)),
    }
    display = live(courses, 2)
    assert display._left(0.0) == pytest.approx(400)
    display("acdc-gcl-0", Progress(0, "embed 33%", 0.0))
    display("acdc-random-0", RunEnded(None))
    # 199 s of 500 s are gone, as much as two places do in 99.5 s
    assert display._left(99.5) == pytest.approx(400 - 99)
    slow = display._left(4 * 99.5)
    assert slow is not None and 1.5 * 301 < slow < 4 * 301


def test_without_a_measurement_the_pace_is_all_there_is() -> None:
    courses = {"acdc-gcl-0": Course((Round(train=100),) * 2, (50, 50))}
    display = Display(Console(file=io.StringIO(), width=80))
    display.start([job("gcl", 0)], Forecast(courses, None, measured=False))
    assert display._left(5.0) is None
    display("acdc-gcl-0", Progress(0, "train", 0.25))
    assert display._left(30.0) == pytest.approx(90.0)


def test_a_bar_tells_encoders_too_and_never_goes_back() -> None:
    course = Course((Round(embed=30, train=10), Round(train=20)), (10, 20))
    display = live({"acdc-gcl-0": course}, 1)
    shares = []
    for phase, fraction in (("embed 50%", 0.0), ("train", 0.0), ("evaluate 100%", 10 / 30), ("embed 10%", 10 / 30)):
        display("acdc-gcl-0", Progress(0, phase, fraction))
        shares.append(display._progress.tasks[0].completed / 60)
    assert shares == pytest.approx([15 / 60, 30 / 60, 40 / 60, 40 / 60])


def test_going_on_counts_what_is_left() -> None:
    """Two of three equal rounds are on disk: only the third is ahead, and its pace is the only one that was seen."""
    display = live({"acdc-random-0": Course((Round(train=100),) * 3, (1, 1, 1), done=2)}, 1)
    assert display._left(0.0) == pytest.approx(100)
    assert display._progress.tasks[0].percentage == pytest.approx(200 / 3)
    display("acdc-random-0", Progress(2, "train", 2.5 / 3))
    assert display._left(50.0) == pytest.approx(50)


def test_durations() -> None:
    assert [duration(s) for s in (45, 720, 12240, 181440)] == ["45 s", "12 min", "3.4 h", "2.1 days"]


def test_a_line_is_shown_without_acting_on_the_terminal() -> None:
    out = io.StringIO()
    Display(Console(file=out, force_terminal=True, width=80, color_system=None)).say(
        "[red]\x1b]0;title\x07 failed\nnext"
    )
    assert out.getvalue() == "[red]\\x1b]0;title\\x07 failed\nnext\n"
