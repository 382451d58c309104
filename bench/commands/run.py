"""``alseg run``: one experiment."""

from __future__ import annotations

from pathlib import Path

import click

from bench.commands.group import OUT


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@OUT
def run(config: Path, out: Path) -> None:
    """Run one experiment from a YAML file that holds all its settings, without Ray and MLflow."""
    from rich.console import Console

    from alseg_core.config import RunConfig
    from alseg_core.results import RunFolder
    from alseg_core.store import Store
    from bench.launchers.launcher import Policy
    from bench.launchers.local import LocalLauncher
    from bench.launchers.study_folder import check_writable, writing
    from bench.planning.forecast import forecast
    from bench.planning.stopwatch import Stopwatch
    from bench.planning.workload import plans_of
    from bench.study.job import Job, RunEnded, StudyEvent
    from bench.terminal.progress import Display
    from bench.terminal.run_progress import RunProgress

    loaded = RunConfig.read(config)
    loaded.resolve_device()
    loaded.check()
    check_writable(out)
    ends: list[str | None] = []
    with writing(out), Display(Console()) as display:
        plans = plans_of([loaded], out / "store", display.preparing)
        job = Job(loaded.key, loaded.describe(), out / loaded.key, len(loaded.budgets))
        done = {job.key: len(RunFolder(job.folder).records())}
        with display.stage("measuring this machine"):
            expected = forecast([loaded], plans, done, Store(out / "store"), Stopwatch(), 1)
        progress = RunProgress(display, [job], expected)

        def tell(key: str, event: StudyEvent) -> None:
            progress(key, event)
            if isinstance(event, RunEnded):
                ends.append(event.failure)

        LocalLauncher().run([job], Policy(out, out / "store"), tell)
    click.echo(f"results: {job.folder}" if ends[-1] is None else f"failed: {ends[-1]}")
    click.get_current_context().exit(1 if ends[-1] else 0)
