"""The main job: from a study to its runs, its report and its tracking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alseg_core.config import RunConfig
    from alseg_core.loop import Plan
    from bench.cluster import Cluster
    from bench.display import Display
    from bench.study import Study
    from bench.worker import Job, StudyListener

TRACKING_WAIT_S = 60.0
"""Seconds that the end of a study waits for its tracking."""


def launch(study: Study, out: Path, local: bool, display: Display) -> bool:
    """The main job. Returns whether runs failed."""
    from alseg_core.results import RunFolder
    from bench import report
    from bench.report.tables import terminal
    from bench.tracking import Background, Tracker, tracking_uri
    from bench.worker import Job, RunEnded, StudyEvent

    configs = study.runs()
    study.check_folders()
    _check_machine(study, configs, local)
    folder = out / study.name
    jobs = [Job.of(config, folder) for config in configs]
    todo = [job for job in jobs if not job.finished()]
    keys = {job.key for job in todo}
    left = [config for config in configs if config.key in keys]
    with _cluster(study, left, local) as cluster:  # it starts while the data are prepared
        plans = plans_of(configs, out / "store", display)
        for job, config in zip(jobs, configs, strict=True):
            RunFolder(job.folder).check(config.fingerprint, plans[job.key].data_key)
        others = _write_index(folder, study.name, configs, study.sources())
        if others:
            note = "have other settings or were not asked for now; they stay, outside this report"
            display.say(f"{others} runs of earlier launches in {_shown(folder)} {note}")
        order = _announce(study, len(configs), left, plans, local, display)
        todo.sort(key=lambda job: order.index(job.key))

        tracking = Background(Tracker(study.name, out), jobs)
        display.start(todo, finished=len(jobs) - len(todo))

        def tell(key: str, event: StudyEvent) -> None:
            from alseg_core.events import Progress

            display(key, event)
            if not isinstance(event, Progress):
                tracking.changed(key, event.failure if isinstance(event, RunEnded) else None)

        _execute(todo, study, out, cluster, tell)
    results = report.write(folder)
    untracked = tracking.finish(folder / "report", TRACKING_WAIT_S)
    display.stop()
    display.console.print(terminal(results))
    if results.failed:
        display.say(f"{len(results.failed)} of {len(jobs)} runs failed; the same command tries them again")
    display.say(f"report: {_shown(folder / 'report')}")
    if untracked:
        display.say(f"warning: {untracked}; the same command makes up for it")
    else:
        display.say(f"MLflow: mlflow ui --backend-store-uri {tracking_uri(out)} (or make ui)")
    return bool(results.failed)


def _cluster(study: Study, left: list[RunConfig], local: bool) -> AbstractContextManager[Cluster | None]:
    """Ray for the runs that are left, where they need it."""
    if local or not left:
        return nullcontext()
    from bench.cluster import Cluster

    return Cluster(_places(study, left, local))


def _places(study: Study, left: list[RunConfig], local: bool) -> int:
    """Runs that go on at the same time."""
    import torch

    from bench.estimate import at_once, cores

    if local:
        return 1
    wanted, devices = study.resources, torch.cuda.device_count()
    return at_once(left, wanted.cpus, wanted.gpus, study.concurrency, cores(), devices)


def _execute(todo: list[Job], study: Study, out: Path, cluster: Cluster | None, tell: StudyListener) -> None:
    if cluster is None:
        from bench.local import execute

        execute(todo, out / "store", study.retries, tell)
    else:
        from bench import ray_tune

        ray_tune.execute(
            todo, out / "store", study.retries, tell, out / study.name / "ray", cluster,
            study.resources.cpus, study.resources.gpus, study.concurrency,
        )  # fmt: skip


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a study's folder for this process. Raises ResultsError when another one is running the study."""
    from filelock import FileLock, Timeout

    from alseg_core.errors import ResultsError

    try:
        with FileLock(str(folder / "lock"), timeout=0):
            yield
    except Timeout:
        raise ResultsError(f"the study in {folder} is being run by another process; wait for it or stop it.") from None


def check_writable(folder: Path) -> None:
    """Make the folder. Raises ResultsError when nothing can be written there."""
    import tempfile

    from alseg_core.errors import ResultsError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ResultsError(
            f"{folder} cannot be written ({error.strerror}); choose another with --out (OUT=)."
        ) from None


def _check_machine(study: Study, configs: list[RunConfig], local: bool) -> None:
    """What is asked of this machine must be there, or Ray would wait for it for ever; a cluster is asked later."""
    import torch

    from alseg_core.errors import ConfigError
    from bench.cluster import shared
    from bench.estimate import cores

    for config in {(c.cover, c.recipe.embed, c.train.network): c for c in configs}.values():
        config.check()
    if not local and shared():
        return
    configs[0].resolve_device()
    wanted, there = study.resources, torch.cuda.device_count()
    if not local and (wanted.gpus > there or wanted.cpus > cores()):
        raise ConfigError(
            f"resources: a run wants {wanted.cpus} CPUs and {wanted.gpus:g} GPUs, "
            f"this machine has {cores()} and {there}; "
            f"join a cluster with RAY_ADDRESS, or lower them: "
            f"--set resources.gpus={min(wanted.gpus, there):g} --set resources.cpus={min(wanted.cpus, cores())}"
        )


def plans_of(configs: list[RunConfig], store: Path, display: Display) -> Mapping[str, Plan]:
    """Prepare the data of every run and check them; runs that differ in recipe and seed alone share a plan.

    A recipe that reads ground truth asks more of the data, so it shares none with those that do not.
    """
    from alseg_core.errors import SplitError
    from alseg_core.loop import plan
    from alseg_core.store import Store, digest

    shared: dict[str, Plan] = {}
    plans: dict[str, Plan] = {}
    for config in configs:
        same = {key: value for key, value in config.describe().items() if key not in ("recipe", "seed")}
        kind = digest({**same, "reads_ground_truth": config.recipe.strategy.reads_ground_truth})
        if kind not in shared:
            name = config.dataset.name
            try:
                shared[kind] = plan(config, Store(store), lambda *at, name=name: display.preparing(name, *at[:2]))
            except SplitError as error:
                raise SplitError(f"{name}: {error}{_other_splits(name)}") from None
        plans[config.key] = shared[kind]
    return plans


def _other_splits(dataset: str) -> str:
    """Hint at the splits of a dataset of the catalogue."""
    from bench.study import catalogue, read_yaml

    known = catalogue("dataset")
    names = list(read_yaml(known[dataset]).get("splits") or {}) if dataset in known else []
    return f" Splits of {dataset}: {', '.join(names)} (--set split=NAME)." if names else ""


def _write_index(folder: Path, name: str, configs: list[RunConfig], sources: Mapping[str, str]) -> int:
    """Say in study.json which runs the report is about; returns how many others there are in the folder."""
    import json

    from alseg_core.results import write_atomic

    runs = [
        {"key": c.key, "dataset": c.dataset.name, "annotation": c.annotation_name, "schedule": c.schedule,
         "recipe": c.recipe.name, "seed": c.seed, "budgets": list(c.budgets)}
        for c in configs
    ]  # fmt: skip
    index = {"name": name, "runs": runs, "sources": sources}
    write_atomic(folder / "study.json", json.dumps(index, indent=1))
    return len({path.parent.name for path in folder.glob("runs/*/rounds.jsonl")} - {c.key for c in configs})


def _announce(
    study: Study, runs: int, left: list[RunConfig], plans: Mapping[str, Plan], local: bool, display: Display
) -> list[str]:
    """Say what will run and about how long it takes. left: of all ``runs``, those that are not finished.

    Returns their keys in the order in which they should start: the longest first, so that none is left over at the end.
    """
    from bench.cluster import shared
    from bench.display import duration
    from bench.estimate import count, durations, wall

    keys = [config.key for config in left]
    if not left:
        display.say(f"study {study.name}: all {runs} runs are finished")
        return keys
    work = count(left, plans)
    done = f" ({runs - len(left)} of {runs} are finished)" if len(left) < runs else ""
    what = (
        f"study {study.name}: {work.runs} runs{done}, {work.rounds} rounds, {work.trainings} trainings, "
        f"{work.steps} training steps"
    )
    if not local and shared():  # what a step takes there is not known here
        display.say(f"{what}, on the cluster at RAY_ADDRESS")
        return keys
    once, each = _places(study, left, local), durations(left, plans)
    display.say(f"{what}, {once} at once: about {duration(wall(each, once))}")
    return [keys[i] for i in sorted(range(len(keys)), key=lambda i: -each[i])]


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
