"""The console command ``alseg``. Heavy imports wait until a command needs them, so that help answers at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alseg_core.errors import AlsegError

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

_ROUNDS = "; the same command goes on from the last finished rounds"
_GOES_ON = {"bench": _ROUNDS, "run": _ROUNDS, "fetch": "; with the same command the download goes on from there"}
"""What a command that was interrupted can do when it is given again."""


class _Group(click.Group):
    """Shows errors raised on purpose as one message, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AlsegError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            click.echo(f"stopped{_GOES_ON.get(ctx.invoked_subcommand or '', '')}", err=True)
            ctx.exit(130)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="alseg")
def main() -> None:
    """Active learning for 3D medical image segmentation: which slices to annotate next, measured fairly."""


OUT = click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder for results and prepared data.",
)


@main.command("bench")
@click.argument("study", default="quick")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting of the study; dots go deeper."
)
@click.option("--local", is_flag=True, help="Run in this process, without Ray.")
@OUT
def bench_command(study: str, settings: tuple[str, ...], local: bool, out: Path) -> None:
    """Run STUDY, a name (quick, paper) or a YAML file, or go on with it; then write and show its report."""
    from rich.console import Console

    from bench.display import Display
    from bench.study import Study

    found, out = Study.find(study, settings), out.expanduser().absolute()
    _check_writable(out / found.name)
    with _alone(out / found.name), Display(Console()) as display:
        failed = _bench(found, out, local, display)
    click.get_current_context().exit(1 if failed else 0)


def _bench(study: Study, out: Path, local: bool, display: Display) -> bool:
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
        plans = _plans(configs, out / "store", display)
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
def _alone(folder: Path) -> Iterator[None]:
    """Hold a study's folder for this process. Raises ResultsError when another one is running the study."""
    from filelock import FileLock, Timeout

    from alseg_core.errors import ResultsError

    try:
        with FileLock(str(folder / "lock"), timeout=0):
            yield
    except Timeout:
        raise ResultsError(f"the study in {folder} is being run by another process; wait for it or stop it.") from None


def _check_writable(folder: Path) -> None:
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


def _plans(configs: list[RunConfig], store: Path, display: Display) -> Mapping[str, Plan]:
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


@main.command()
@click.argument("config", type=click.Path(path_type=Path))
@OUT
def run(config: Path, out: Path) -> None:
    """Run one experiment from a YAML file with all its settings, without Ray and MLflow."""
    from rich.console import Console

    from alseg_core.config import RunConfig
    from bench.display import Display
    from bench.local import execute
    from bench.worker import Job, RunEnded, StudyEvent

    loaded = RunConfig.read(config)
    loaded.resolve_device()
    loaded.check()
    _check_writable(out)
    ends: list[str | None] = []
    with Display(Console()) as display:
        _plans([loaded], out / "store", display)
        job = Job(loaded.key, loaded.describe(), out / loaded.key, len(loaded.budgets))
        display.start([job], finished=0)

        def tell(key: str, event: StudyEvent) -> None:
            display(key, event)
            if isinstance(event, RunEnded):
                ends.append(event.failure)

        execute([job], out / "store", 0, tell)
    click.echo(f"results: {job.folder}" if ends[-1] is None else f"failed: {ends[-1]}")
    click.get_current_context().exit(1 if ends[-1] else 0)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
def report(folder: Path) -> None:
    """Write the report of a study's FOLDER again and show its table."""
    from rich.console import Console

    from bench import report as reports
    from bench.report.tables import terminal

    results = reports.write(folder)
    Console().print(terminal(results))
    click.echo(f"report: {_shown((folder / 'report').absolute())}")


@main.command("list")
@click.argument("what", type=click.Choice(["strategies", "recipes", "datasets", "studies"]))
def list_command(what: str) -> None:
    """Names that a study can use, with one line each and where they come from."""
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "what it is", "source", show_edge=False)
    for row in _strategies() if what == "strategies" else _entries(what):
        table.add_row(*row)
    Console().print(table)


def _strategies() -> list[tuple[str, str, str]]:
    from alseg_core.registry import summary
    from alseg_core.strategies import STRATEGIES

    return [(name, summary(cls), str(getattr(cls, "paper", ""))) for name, cls in STRATEGIES.items()]


def _entries(what: str) -> list[tuple[str, str, str]]:
    from bench.study import catalogue, read_yaml

    if what == "studies":
        return [(name, _comment(path), "") for name, path in catalogue("study").items()]
    files = {name: read_yaml(path) for name, path in catalogue(what[:-1]).items()}
    return [
        (name, str(c.get("title") or c.get("summary", "")), str(c.get("paper") or c.get("citation", "")))
        for name, c in files.items()
    ]


def _comment(path: Path) -> str:
    lines = (line[1:].strip() for line in path.read_text().splitlines() if line.startswith("#"))
    return " ".join(lines)


@main.group(cls=_Group)
def data() -> None:
    """Raw scans: what a dataset is, how to get it, what is in a folder."""


@data.command("check")
@click.argument("dataset")
@click.option("--data", "folder", metavar="DIR", help="Folder of the raw scans.")
@click.option(
    "--sheet",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Where to write the contact sheet.  [default: runs/DATASET-sheet.png]",
)
def check(dataset: str, folder: str | None, sheet: Path | None) -> None:
    """Read every scan of DATASET (a name or a YAML file); say what is there and what is wrong, and show slices."""
    from rich.console import Console
    from rich.progress import Progress

    from bench.check import check as check_dataset

    sheet = sheet or Path("runs") / f"{Path(dataset).stem}-sheet.png"
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("reading", total=None)
        lines, problems = check_dataset(
            dataset, folder, sheet, lambda done, cases, case: bar.update(task, completed=done, total=cases)
        )
    console = Console()
    for line in [*lines, *(f"problem: {problem}" for problem in problems)]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    click.get_current_context().exit(1 if problems else 0)


@data.command("fetch")
@click.argument("dataset")
@click.option("--to", type=click.Path(path_type=Path), metavar="DIR", help="Folder for it.  [default: data/DATASET]")
def fetch(dataset: str, to: Path | None) -> None:
    """Download DATASET from its official place, check and unpack it; or say where to register for it."""
    from bench.fetch import fetch_with_progress

    for line in fetch_with_progress(dataset, to):
        click.echo(line)


@data.command("info")
@click.argument("dataset", required=False)
def info(dataset: str | None) -> None:
    """Classes, licence, citation, source and layout of DATASET, of all of them without one."""
    from bench.info import info as told

    click.echo(told(dataset))


@data.command("groups")
@click.argument("dataset")
@click.option("--data", "folder", metavar="DIR", help="Folder of the raw scans.")
@click.option("--preset", default="paper", show_default=True, help="Whose training patients and preparation to use.")
@OUT
def groups(dataset: str, folder: str | None, preset: str, out: Path) -> None:
    """How alike slices of one patient, volume and neighbourhood are: mean absolute pairwise deviation of pixels."""
    from bench.groups import statistic

    _check_writable(out)
    count, values = statistic(dataset, folder, preset, out / "store")
    click.echo(f"{dataset}, {count} slices: " + ", ".join(f"{name} {value:.3f}" for name, value in values.items()))


if __name__ == "__main__":
    sys.exit(main())
