"""What a study shows while it runs: one live display on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from alseg_core import events
from bench.worker import Job, RunEnded, RunRetried, StudyEvent


def duration(seconds: float) -> str:
    """ "45 s", "12 min", "3.4 h" or "2.1 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def labels(jobs: Sequence[Job]) -> dict[str, str]:
    """Short name of each run by key: recipe and seed, and before them what is not the same for all of them."""
    facts = {job.key: (job.raw["dataset"]["name"], job.raw["annotation"]["name"], job.raw["schedule"]) for job in jobs}
    differ = [len(set(values)) > 1 for values in zip(*facts.values(), strict=True)]
    return {
        job.key: " ".join(
            [*(fact for fact, told in zip(facts[job.key], differ, strict=True) if told), job.raw["recipe"]["name"]]
        )
        + f", seed {job.raw['seed']}"
        for job in jobs
    }


class Display:
    """Overall progress with the time left, and the runs that are going on with round and phase."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            transient=True,
            disable=not self.live,
        )
        self._rounds: dict[str, int] = {}
        self._share: dict[str, float] = {}
        self._tasks: dict[str, TaskID] = {}
        self._dice: dict[str, str] = {}
        self._labels: dict[str, str] = {}
        self._overall: TaskID | None = None
        self._started = time.monotonic()
        self._before: dict[str, float] = {}
        self._ended = 0
        self._failed = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bars away; lines can still be said."""
        self._progress.stop()

    def say(self, line: str) -> None:
        """A line that stays."""
        self.console.print(Text(line), soft_wrap=True)

    def preparing(self, dataset: str, done: int, total: int) -> None:
        """``done`` of ``total`` scans of a dataset are prepared."""
        if dataset not in self._tasks:
            if not self.live:
                self.say(f"preparing {dataset} ({total} scans)")
            self._tasks[dataset] = self._progress.add_task(f"preparing {dataset}", total=total, note="")
        self._progress.update(self._tasks[dataset], completed=done, note=f"{done} of {total} scans")
        if done >= total:
            self._progress.remove_task(self._tasks.pop(dataset))

    def start(self, jobs: Sequence[Job], finished: int) -> None:
        """``jobs`` are going to run; ``finished`` further ones are done already."""
        self._rounds = {job.key: job.rounds for job in jobs}
        self._labels = labels(jobs)
        self._share = dict.fromkeys(self._rounds, 0.0)
        self._ended = 0
        self._started = time.monotonic()
        note = f"{finished} runs were finished before" if finished else ""
        self._overall = self._progress.add_task("all runs", total=max(len(jobs), 1), note=note)

    def __call__(self, key: str, event: StudyEvent) -> None:
        """Listener of the study."""
        if isinstance(event, events.RunStarted):
            done = len(event.finished)
            self._before.setdefault(key, done / len(event.budgets))
            self._show(key, done, "started", done / len(event.budgets))
        elif isinstance(event, events.Progress):
            self._show(key, event.round, event.phase, event.run_fraction)
        elif isinstance(event, events.RoundFinished):
            dice = event.record.summary.get("dice")
            self._dice[key] = "" if dice is None else f", Dice {dice:.3f} with {event.record.labelled} slices"
            self._show(key, event.record.round, "finished", self._share[key])
        elif isinstance(event, RunRetried):
            self._show(key, 0, "again", 0.0)
            self.say(f"trying again: {self._labels[key]}: {event.reason}")
        elif isinstance(event, RunEnded):
            self._end(key, event.failure)

    def _show(self, key: str, number: int, phase: str, share: float) -> None:
        self._share[key] = share
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(f"  {self._labels[key]}", total=1, note="")
        note = f"round {min(number + 1, self._rounds[key])} of {self._rounds[key]}, {phase}"
        self._progress.update(self._tasks[key], completed=share, note=note)
        self._total()

    def _end(self, key: str, failure: str | None) -> None:
        self._share[key] = 1.0
        self._ended += 1
        self._failed += failure is not None
        if key in self._tasks:
            self._progress.remove_task(self._tasks.pop(key))
        if not self.live:
            how = f"finished{self._dice.get(key, '')}" if failure is None else f"failed: {failure}"
            self.say(f"[{self._ended}/{len(self._rounds)}] {self._labels[key]}: {how}")
        self._total()

    def _total(self) -> None:
        if self._overall is None:
            return
        done, elapsed = sum(self._share.values()), time.monotonic() - self._started
        gained = done - sum(self._before.values())
        left = f", about {duration(elapsed * (len(self._share) - done) / gained)} left" if gained > 0.02 else ""
        failed = f", {self._failed} failed" if self._failed else ""
        note = f"{self._ended} of {len(self._share)} runs{failed}, {duration(elapsed)}{left}"
        self._progress.update(self._overall, completed=done, note=note)
