"""``alseg run``: one experiment."""

from __future__ import annotations

from pathlib import Path

import click

from bench.commands.group import OUT


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@OUT
def run(config: Path, out: Path) -> None:
    """Run one experiment from a YAML file with all its settings, without Ray and MLflow."""
    from rich.console import Console

    from alseg_core.config import RunConfig
    from bench.display import Display
    from bench.launch import check_writable, plans_of
    from bench.local import execute
    from bench.worker import Job, RunEnded, StudyEvent

    loaded = RunConfig.read(config)
    loaded.resolve_device()
    loaded.check()
    check_writable(out)
    ends: list[str | None] = []
    with Display(Console()) as display:
        plans_of([loaded], out / "store", display)
        job = Job(loaded.key, loaded.describe(), out / loaded.key, len(loaded.budgets))
        display.start([job], finished=0)

        def tell(key: str, event: StudyEvent) -> None:
            display(key, event)
            if isinstance(event, RunEnded):
                ends.append(event.failure)

        execute([job], out / "store", 0, tell)
    click.echo(f"results: {job.folder}" if ends[-1] is None else f"failed: {ends[-1]}")
    click.get_current_context().exit(1 if ends[-1] else 0)
