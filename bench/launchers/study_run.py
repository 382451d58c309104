"""The main job: from a study to its runs, its report and its tracking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from bench.launchers import machine
from bench.launchers.study_folder import alone, check_writable, shown, writing
from bench.planning.workload import Workload

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from bench.launchers.ray_cluster import Cluster
    from bench.study import Study
    from bench.study.job import Job, StudyEvent, StudyListener
    from bench.terminal.progress import Display

TRACKING_WAIT_S = 60.0
"""Seconds without any progress after which the end of a study stops waiting for its tracking."""
INTERRUPTED_WAIT_S = 5.0
"""Seconds that a study that was stopped takes to tell its tracking so."""


def launch(study: Study, out: Path, local: bool, display: Display) -> bool:
    """The main job. Returns whether runs failed."""
    from bench import report
    from bench.launchers.ray_cluster import shared
    from bench.planning.stopwatch import Relative, Stopwatch
    from bench.report.tables import terminal
    from bench.study.job import RunEnded
    from bench.terminal.study_summary import announcement
    from bench.tracking import Background, Tracker

    workload = Workload.of(study, out)
    machine.check(study, workload.configs, local)
    places = machine.places(study, workload.unfinished, local)
    folder, todo = workload.folder, workload.todo
    with writing(out), alone(folder):
        with _cluster(todo, places, local) as cluster:  # it starts while the data are prepared
            # what a step takes on a cluster is not known here
            clock = Relative() if shared() and not local else Stopwatch()
            forecast = workload.prepare(clock, places, display.preparing)
            others = _write_index(folder, study.name, workload.configs, study.sources())
            if others:
                note = "have other settings or were not asked for now; they stay, outside this report"
                display.say(f"{others} runs of earlier launches in {shown(folder)} {note}")
            display.say(announcement(workload, forecast))
            order = {key: i for i, key in enumerate(forecast.left)}  # the longest first, so that none is left over
            todo.sort(key=lambda job: order[job.key])

            tracking = Background(Tracker(study.name, out), workload.jobs)
            display.start(todo, forecast)

            def tell(key: str, event: StudyEvent) -> None:
                from alseg_core.events import Progress

                display(key, event)
                if not isinstance(event, Progress):
                    tracking.changed(key, event.failure if isinstance(event, RunEnded) else None)

            try:
                _execute(todo, workload, cluster, tell)
            except BaseException:  # Ctrl-C, SIGTERM: what was going on is not running any more
                tracking.interrupted(INTERRUPTED_WAIT_S)
                done = sum(job.finished() for job in workload.jobs)
                there = f"{done} of {len(workload.jobs)} runs are finished"
                display.say(f"{there}; alseg report {shown(folder)} shows what there is")
                raise
        results = report.write(folder)
        untracked = tracking.finish(folder / "report", TRACKING_WAIT_S, display.say)
    display.stop()
    display.console.print(terminal(results))
    if results.failed:
        display.say(f"{len(results.failed)} of {len(workload.jobs)} runs failed; the same command tries them again")
    for line in _whereabouts(folder, out, untracked):
        display.say(line)
    return bool(results.failed)


def estimate(study: Study, out: Path, local: bool, display: Display) -> None:
    """Say what the study would do and about how long that would take. Only prepared data are written."""
    from bench.planning.stopwatch import Stopwatch
    from bench.terminal.study_summary import estimate as table

    workload = Workload.of(study, out)
    machine.check(study, workload.configs, local)
    places = machine.places(study, workload.unfinished, local)
    check_writable(out)
    with writing(out):
        forecast = workload.prepare(Stopwatch(), places, display.preparing)
    display.stop()
    display.console.print(table(workload, forecast))


def _cluster(todo: Sequence[Job], places: int | None, local: bool) -> AbstractContextManager[Cluster | None]:
    """Ray for the runs that are left, where they need it."""
    if local or not todo:
        return nullcontext()
    from bench.launchers.ray_cluster import Cluster

    return Cluster(places or 1)


def _execute(todo: list[Job], workload: Workload, cluster: Cluster | None, tell: StudyListener) -> None:
    study = workload.study
    if cluster is None:
        from bench.launchers.local import execute

        execute(todo, workload.store, study.retries, tell, study.stalled_after)
    else:
        from bench.launchers import ray_tune

        ray_tune.execute(
            todo,
            workload.store,
            study.retries,
            tell,
            workload.folder / "ray",
            cluster,
            study.resources.cpus,
            study.resources.gpus,
            study.concurrency,
            study.stalled_after,
        )


def _write_index(folder: Path, name: str, configs: Sequence[RunConfig], sources: Mapping[str, str]) -> int:
    """Say in study.json which runs the report is about; returns how many others there are in the folder."""
    import json

    from alseg_core.results import write_atomic

    runs = [
        {
            "key": c.key,
            "dataset": c.dataset.name,
            "annotation": c.annotation_name,
            "schedule": c.schedule,
            "recipe": c.recipe.name,
            "seed": c.seed,
            "budgets": list(c.budgets),
        }
        for c in configs
    ]
    index = {"name": name, "runs": runs, "sources": sources}
    write_atomic(folder / "study.json", json.dumps(index, indent=1))
    return len({path.parent.name for path in folder.glob("runs/*/rounds.jsonl")} - {c.key for c in configs})


def _whereabouts(folder: Path, out: Path, untracked: str | None) -> Iterator[str]:
    """Where the report and the tracked runs are."""
    import os

    from bench.tracking import tracking_uri

    page = folder / "report" / "report.html"
    yield f"report: {shown(page if page.exists() else page.parent)}"
    if untracked:
        yield f"warning: {untracked}; the same command makes up for it"
    elif server := os.environ.get("MLFLOW_TRACKING_URI"):
        yield f"MLflow: {server}"
    else:
        where = "" if out == Path.cwd() / "runs" else f" OUT={shown(out)}"
        yield f"MLflow: mlflow ui --backend-store-uri {tracking_uri(out)} (or make ui{where})"
