"""The main job: run a study with a launcher, then write its report and its tracking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from bench.launchers.launcher import Launcher, Policy
from bench.launchers.study_folder import check_folders, check_writable, locked, shown, writing
from bench.planning.workload import Workload

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from bench.planning.forecast import Forecast
    from bench.report.runs.results import Results
    from bench.study import Study
    from bench.study.job import StudyEvent
    from bench.terminal.progress import Display
    from bench.tracking import Background

TRACKING_WAIT_S = 60.0
"""How long a finished study waits for MLflow when it makes no progress, in seconds."""
INTERRUPTED_WAIT_S = 5.0
"""How long an interrupted study waits for MLflow to record it, in seconds."""


def launch(study: Study, out: Path, launcher: Launcher, display: Display, command: str | None = None) -> bool:
    """Run a study, write its report, and return whether runs failed.

    command: how to start it again with other seeds (``bench.study.rerun``), for its report.
    Raises AlsegError if the study, its data or ``out`` cannot be used, or if the launcher cannot run the study.
    """
    from bench.tracking import Background, Tracker

    with display.stage("reading what is finished", log=False):
        workload, policy = _planned(study, out, launcher)
    folder = workload.folder
    with writing(out), locked(folder):
        with launcher.start(policy) if workload.todo else nullcontext():
            forecast = _prepare(workload, policy, launcher, display, command)
            tracking = Background(Tracker(study.name, out), workload.jobs)
            _run(workload, forecast, policy, launcher, display, tracking)
        with display.stage("writing the report"):
            from bench import report  # takes a second, in which the first runs should start

            results = report.write(folder, links=True)
        with display.stage("bringing MLflow up to date", log=False):
            untracked = tracking.finish(folder / "report", TRACKING_WAIT_S, display.say)
    failed = {*results.failed, *tracking.failures}  # a run whose folder cannot be written left no failure there
    _conclude(results, len(failed), workload, display)
    for line in _whereabouts(folder, out, untracked):
        display.say(line)
    return bool(failed)


def estimate(study: Study, out: Path, launcher: Launcher, display: Display) -> None:
    """Print what the study would do and about how long that would take. Only prepared data are written."""
    from bench.planning.stopwatch import Stopwatch
    from bench.terminal.study_summary import damage
    from bench.terminal.study_summary import estimate as table

    with display.stage("reading what is finished", log=False):
        workload, policy = _planned(study, out, launcher)
    check_writable(out)
    with writing(out):
        forecast = workload.prepare(Stopwatch(), policy.places, display.preparing, display.stage)
    display.stop()
    display.show(table(workload, forecast, launcher.remote))
    for line in damage(workload):
        display.say(line)


def _planned(study: Study, out: Path, launcher: Launcher) -> tuple[Workload, Policy]:
    """Return the work of a study and how the launcher will do it, once both have been checked."""
    check_folders(out / study.name)
    workload = Workload.of(study, out)
    launcher.check(study, workload.configs)
    places = launcher.places(study, workload.unfinished)
    return workload, Policy.of(study, workload.folder, workload.store, places)


def _prepare(workload: Workload, policy: Policy, launcher: Launcher, display: Display, command: str | None) -> Forecast:
    """Prepare the data, write the index of the study and announce what will run."""
    from bench.planning.stopwatch import Relative, Stopwatch
    from bench.terminal.study_summary import announcement, damage

    clock = Relative() if launcher.remote else Stopwatch()
    forecast = workload.prepare(clock, policy.places, display.preparing, display.stage)
    folder = workload.folder
    others = write_index(folder, workload.study, workload.configs, command)
    if others:
        note = "have other settings or are not part of the study now; they stay, outside this report"
        display.say(f"{others} runs of earlier launches in {shown(folder)} {note}")
    for warning in forecast.warnings:
        display.say(f"warning: {warning}")
    display.say(announcement(workload, forecast, launcher.remote), fold=True)
    for line in damage(workload):
        display.say(line)
    return forecast


def _run(
    workload: Workload,
    forecast: Forecast,
    policy: Policy,
    launcher: Launcher,
    display: Display,
    tracking: Background,
) -> None:
    """Execute the unfinished runs in the order of the forecast."""
    from alseg_core.events import Progress
    from bench.study.job import RunEnded
    from bench.terminal.run_progress import RunProgress, labels

    order = {key: i for i, key in enumerate(forecast.left)}
    todo = sorted(workload.todo, key=lambda job: order.get(job.key, len(order)))  # damaged ones end soon
    if not todo:
        return
    names = labels(workload.jobs)
    progress = RunProgress(display, todo, forecast, launcher.starting, names, len(workload.jobs) - len(todo))

    def tell(key: str, event: StudyEvent) -> None:
        progress(key, event)
        if not isinstance(event, Progress):
            tracking.changed(key, event.failure if isinstance(event, RunEnded) else None)

    try:
        launcher.run(todo, policy, tell)
    except BaseException:  # Ctrl-C or SIGTERM: the runs that were running are no longer
        display.stop()
        tracking.interrupted(INTERRUPTED_WAIT_S)
        done = f"{sum(job.finished() for job in workload.jobs)} of {len(workload.jobs)} runs are finished"
        display.say(f"{done}; alseg report {shown(workload.folder)} shows the results so far")
        raise


def write_index(folder: Path, study: Study, configs: Sequence[RunConfig], command: str | None) -> int:
    """Write the runs of the study to study.json, and return how many other runs are in its folder."""
    import json

    from alseg_core.atomic import write_atomic
    from alseg_core.registry import describe
    from bench.study.annotation_title import annotation_title

    runs = [
        {
            "key": c.key,
            "dataset": c.dataset.name,
            "annotation": annotation_title(describe(c.annotation)),
            "schedule": c.schedule,
            "recipe": c.recipe.name,
            "seed": c.seed,
            "budgets": list(c.budgets),
        }
        for c in configs
    ]
    index = {
        "name": study.name,
        "runs": runs,
        "sources": study.sources(),
        "recipes": study.summaries(),
        "controls": describe(study.controls),
        "primary": describe(study.planned()),
        "command": command,
    }
    write_atomic(folder / "study.json", json.dumps(index, indent=1))
    return len({path.parent.name for path in folder.glob("runs/*/rounds.jsonl")} - {c.key for c in configs})


def _conclude(results: Results, failed: int, workload: Workload, display: Display) -> None:
    """Print verdict and table, how long the command took, and how many runs failed."""
    from bench.report.tables import terminal
    from bench.terminal.study_summary import closing

    display.stop()
    display.show(terminal(results))
    display.say(closing(workload, display.passed))
    if failed:
        display.say(f"{failed} of {len(workload.jobs)} runs failed; the same command tries them again")


def _whereabouts(folder: Path, out: Path, untracked: str | None) -> Iterator[str]:
    """Yield one line each on where the report and the tracked runs are."""
    from bench.tracking.links import where

    page = folder / "report" / "report.html"
    yield f"report: {shown(page if page.exists() else page.parent)}"
    if untracked:
        yield f"warning: {untracked}; the same command makes up for it"
    else:
        yield from where(out, folder.name)
