from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from alseg_core.events import Progress, RunStarted
from bench.display import Display, duration, labels
from bench.worker import Job, RunEnded, RunRetried


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
        display.start(jobs, finished=2)
        for one in jobs:
            display(one.key, RunStarted((1, 2, 3), 9, ()))
            display(one.key, Progress(1, "embed 100%", 0.4))
        display._progress.refresh()
        assert "round 2 of 3, embed 100%" in out.getvalue() and "…" not in out.getvalue()
        display(jobs[1].key, RunRetried("no memory"))
        for one in jobs:
            display(one.key, RunEnded(None))
    assert "trying again: random, seed 11: no memory" in out.getvalue()


def test_plain_lines_without_a_terminal() -> None:
    out = io.StringIO()
    with Display(Console(file=out, width=80)) as display:
        display.start([job("random", 0), job("strided", 0)], finished=0)
        display("acdc-random-0", RunStarted((1, 2, 3), 9, ()))
        display("acdc-random-0", Progress(1, "train", 0.4))
        display("acdc-random-0", RunEnded(None))
        display("acdc-strided-0", RunEnded("disk full"))
    assert out.getvalue().splitlines() == ["[1/2] random, seed 0: finished", "[2/2] strided, seed 0: failed: disk full"]


def test_durations() -> None:
    assert [duration(s) for s in (45, 720, 12240, 181440)] == ["45 s", "12 min", "3.4 h", "2.1 days"]
