from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from alseg_core.events import Noticed, Progress, RoundFinished, RunStarted
from alseg_core.vocabulary import RoundRecord
from bench.planning.forecast import Course, Forecast, Round
from bench.study.job import Job, RunEnded, RunRetried
from bench.terminal import progress as progress_module
from bench.terminal.pace import Pace
from bench.terminal.progress import Display
from bench.terminal.run_progress import RunProgress, labels


def job(recipe: str, seed: int, dataset: str = "acdc") -> Job:
    raw = {
        "dataset": {"name": dataset},
        "annotation": {"name": "mask"},
        "schedule": "default",
        "recipe": {"name": recipe},
        "seed": seed,
    }
    return Job(f"{dataset}-{recipe}-{seed}", raw, Path("nowhere"), 3)


def terminal(width: int = 80, height: int = 24) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=True, width=width, height=height, color_system=None), out


def screen(display: Display) -> list[str]:
    """Lines of the moving part of a live display, as it would be drawn now."""
    console = display.console
    drawn = Console(file=io.StringIO(), width=console.width, height=console.height)
    with drawn.capture() as captured:
        drawn.print(display._bars.get_renderable())
    return [line.rstrip() for line in captured.get().splitlines()]


def test_labels_tell_runs_apart_and_no_more() -> None:
    assert labels([job("random", 0), job("random", 1)]) == {
        "acdc-random-0": "random, seed 0",
        "acdc-random-1": "random, seed 1",
    }
    both = labels([job("random", 0), job("random", 0, "chaos")])
    assert both == {"acdc-random-0": "acdc random, seed 0", "chaos-random-0": "chaos random, seed 0"}


@pytest.mark.parametrize("width", [80, 120])
def test_a_live_display_fits_the_width_and_leaves_only_lines_behind(width: int) -> None:
    console, out = terminal(width)
    jobs = [job("oracle_foreground", 0), job("random", 11)]
    expected = Forecast({one.key: Course((Round(100, 100, 100),) * 3, (1,) * 3) for one in jobs}, 2, measured=True)
    with Display(console) as display:
        tell = RunProgress(display, jobs, expected)
        for one in jobs:
            tell(one.key, RunStarted((1, 2, 3), 9, ()))
            tell(one.key, Progress(1, "embed 100%", 0.4))
        first, *rest = screen(display)
        assert first.startswith("0 of 2 runs") and " elapsed, about " in first and first.endswith(" left")
        assert [line.split()[-1] for line in rest] == ["100%", "100%"] and "round 2 of 3, embed 100%" in rest[0]
        tell(jobs[1].key, RunRetried("no memory"))
        for one in jobs:
            tell(one.key, RunEnded(None))
    assert "trying again: random, seed 11: no memory" in out.getvalue()
    assert "[2/2] random, seed 11: finished in 0 s" in out.getvalue()


def test_what_happens_before_the_first_run_is_shown_until_it_starts() -> None:
    console, _ = terminal()
    with Display(console) as display:
        with display.stage("measuring this machine"):
            assert screen(display) == ["measuring this machine …"]
        tell = RunProgress(display, [job("random", 0)], first="starting Ray")
        assert screen(display)[1:] == ["starting Ray …"]
        tell("acdc-random-0", RunStarted((1, 2, 3), 9, ()))
        assert screen(display)[1].startswith("  random, seed 0")


def test_the_clock_goes_on_without_events(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    display = Display(terminal()[0])
    display.begin("runs", {"a": "random, seed 0"}, Pace({"a": 400.0}, {}, 1, measured=True))
    now += 30  # while Ray starts, only what has passed goes on
    assert "30 s elapsed, about 7 min left" in screen(display)[0]
    display.move("a", 0.0, "started")
    now += 100
    assert "2 min 10 s elapsed, about 5 min left" in screen(display)[0]


def test_more_runs_than_lines_are_counted() -> None:
    console, _ = terminal(height=10)
    jobs = [job("random", seed) for seed in range(40)]
    with Display(console) as display:
        tell = RunProgress(display, jobs)
        for one in jobs:
            tell(one.key, RunStarted((1, 2, 3), 9, ()))
        lines = screen(display)
    assert len(lines) == 9 and lines[0].startswith("0 of 40 runs")
    assert lines[-1] == "  and 33 more; a higher window shows them"


def test_plain_lines_without_a_terminal() -> None:
    """A line for each finished run, with its Dice, the time that has passed and the time left."""
    out = io.StringIO()
    record = RoundRecord(0, 12, 0.1, 0.2, 1.0, [], [], 0, [], {"dice": 0.81234}, {}, [])
    with Display(Console(file=out, width=80)) as display:
        jobs = [job("random", 0), job("strided", 0)]
        courses = {one.key: Course((Round(train=300),), (50,)) for one in jobs}
        tell = RunProgress(display, jobs, Forecast(courses, 1, measured=True), "starting Ray")
        tell("acdc-random-0", RunStarted((1, 2, 3), 9, ()))
        tell("acdc-random-0", Noticed("state_0.pt is missing"))
        tell("acdc-random-0", Progress(0, "train", 0.4))
        tell("acdc-random-0", RoundFinished(record))
        tell("acdc-random-0", RunEnded(None))
        tell("acdc-strided-0", RunEnded("disk full"))
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["starting Ray", "random, seed 0: state_0.pt is missing"]
    done, left = lines[2].removesuffix(" left)").split(" (0 s elapsed, about ")
    assert done == "[1/2] random, seed 0: finished in 0 s, Dice 0.812 with 12 slices"
    assert left.endswith(" s")  # less than the 300 s of the forecast: the first run took none of its 300 s
    assert lines[3:] == ["[2/2] strided, seed 0: failed: disk full (0 s elapsed)"]


def test_a_study_that_goes_on_counts_its_finished_runs_once() -> None:
    out = io.StringIO()
    jobs = [job("random", seed) for seed in range(5)]
    with Display(Console(file=out, width=80)) as display:
        tell = RunProgress(display, jobs[3:], names=labels(jobs), earlier=3)
        for one in jobs[3:]:
            tell(one.key, RunEnded(None))
    assert [line.split(":")[0] for line in out.getvalue().splitlines()] == [
        "[4/5] random, seed 3",
        "[5/5] random, seed 4",
    ]


def test_a_long_silence_without_a_terminal_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    with Display(Console(file=out, width=80)) as display:
        tell = RunProgress(display, [job("random", 0)])
        tell("acdc-random-0", Progress(0, "train", 0.1))
        assert not out.getvalue()
        monkeypatch.setattr(progress_module, "SILENCE_S", 0.0)
        tell("acdc-random-0", Progress(0, "train", 0.2))
    assert out.getvalue().startswith("0 of 1 runs: 0 s elapsed")


def test_time_left_starts_at_the_forecast_and_follows_the_pace() -> None:
    """An encoder of 300 s in a run of 400 s, beside a run of 100 s."""
    pace = Pace({"gcl": 400.0, "random": 100.0}, {}, 2, measured=True)
    assert pace.left_after(0.0) == pytest.approx(400)
    pace.move("gcl", 99.0)
    pace.end("random")
    # 199 s of 500 s are gone, as much as two places do in 99.5 s
    assert pace.left_after(99.5) == pytest.approx(400 - 99)
    slow = pace.left_after(4 * 99.5)
    assert slow is not None and 1.5 * 301 < slow < 4 * 301


def test_a_failed_run_is_no_progress() -> None:
    pace = Pace({str(number): 100.0 for number in range(10)}, {}, 1, measured=True)
    for number in range(5):
        pace.move(str(number), 1.0)
        pace.end(str(number), failed=True)
    assert pace.total == 505
    left = pace.left_after(5.0)
    assert left is not None and left > 450


def test_without_a_measurement_the_pace_is_all_there_is() -> None:
    pace = Pace({"gcl": 200.0}, {}, 1, measured=False)
    assert pace.left_after(5.0) is None
    pace.move("gcl", 50.0)
    assert pace.left_after(30.0) == pytest.approx(90.0)


def test_going_on_counts_what_is_left() -> None:
    """Two of three equal rounds are on disk: only the third is ahead, and its pace is the only one that was seen."""
    pace = Pace({"random": 300.0}, {"random": 200.0}, 1, measured=True)
    assert pace.left_after(0.0) == pytest.approx(100)
    pace.move("random", 250.0)
    assert pace.left_after(50.0) == pytest.approx(50)


def test_a_bar_tells_encoders_too_and_never_goes_back() -> None:
    courses = {"acdc-gcl-0": Course((Round(embed=30, train=10), Round(train=20)), (10, 20))}
    display = Display(terminal()[0])
    tell = RunProgress(display, [job("gcl", 0)], Forecast(courses, 1, measured=True))
    shares = []
    for phase, fraction in (("embed 50%", 0.0), ("train", 0.0), ("evaluate 100%", 10 / 30), ("embed 10%", 10 / 30)):
        tell("acdc-gcl-0", Progress(0, phase, fraction))
        shares.append(display._bars.tasks[0].completed / 60)
    assert shares == pytest.approx([15 / 60, 30 / 60, 40 / 60, 40 / 60])


def test_a_line_is_shown_without_acting_on_the_terminal() -> None:
    out = io.StringIO()
    Display(Console(file=out, force_terminal=True, width=80, color_system=None)).say(
        "[red]\x1b]0;title\x07 failed\nnext"
    )
    assert out.getvalue() == "[red]\\x1b]0;title\\x07 failed\nnext\n"


class Counted(Pace):
    """A pace that counts how often it goes through all its tasks to tell the time left."""

    asked = 0

    def left_after(self, passed: float) -> float | None:
        self.asked += 1
        return super().left_after(passed)


def test_time_left_is_computed_when_it_is_shown_and_not_at_every_event() -> None:
    jobs = [job("random", seed) for seed in range(50)]
    display = Display(Console(file=io.StringIO()))
    tell = RunProgress(display, jobs)
    pace = display.pace = Counted(display.pace.expected, display.pace.done, 4, measured=True)
    for one in jobs[:10]:
        tell(one.key, RunStarted((3, 6, 8), 60, ()))
        for number in range(3):
            tell(one.key, Progress(number, "train", (number + 0.5) / 3))
        tell(one.key, RunEnded(None))
    assert pace.asked == 10  # the lines of the runs that have ended
    assert pace.left() is not None and pace.asked == 10
    pace.move(jobs[20].key, 1.0)
    assert None not in (pace.left(), pace.left()) and pace.asked == 11
