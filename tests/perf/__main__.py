"""Speed and memory side by side with a straightforward baseline: ``python tests/perf``, or ``make perf``."""

from __future__ import annotations

import shutil
import tempfile
import time
import traceback
from importlib import import_module
from pathlib import Path

import click
import torch

import history
import table
from ceilings import measured
from measure import Bench, Row
from pack import unpack

SUBJECTS = ("training", "volumes", "encoder", "selection", "scoring", "launcher")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--only", multiple=True, type=click.Choice(SUBJECTS), help="Subject to measure; may be repeated; default: all."
)
@click.option(
    "--sizes",
    type=int,
    multiple=True,
    help="Side length of the slices in pixels; may be repeated; default: chosen by each subject.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--threads", type=int, default=None, help="CPU threads; default: as many as torch chooses.")
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    help="Prepared data: a folder, or a file written by pack.py.",
)
@click.option("--scale", type=click.Choice(["quick", "full"]), default="quick", show_default=True)
@click.option(
    "--repeats", type=click.IntRange(1), default=None, help="Number of timings, of which the median is reported."
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf"), show_default=True)
def main(
    only: tuple[str, ...],
    sizes: tuple[int, ...],
    device: str,
    threads: int | None,
    data: Path | None,
    scale: str,
    repeats: int | None,
    out: Path,
) -> None:
    """Measure, print a table and save it in OUT."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if threads is not None:
        torch.set_num_threads(threads)
    threads = torch.get_num_threads()
    full = scale == "full"
    ceilings = measured(device)
    scratch = Path(tempfile.mkdtemp(prefix="alseg-perf-"))
    if data is not None and data.is_file():
        data = unpack(data, scratch / "data")
    bench = Bench(device, threads, full, ceilings, scratch, repeats or (5 if full else 2), sizes, data)
    rows: list[tuple[str, Row]] = []
    failed: list[str] = []
    start = time.perf_counter()
    try:
        for subject in only or SUBJECTS:
            try:
                for row in import_module(f"subjects.{subject}").rows(bench):
                    rows.append((subject, row))
                    since = time.perf_counter() - start
                    click.echo(f"{since:5.0f} s  {subject}: {row.name} {row.size}", err=True)
            except Exception:  # show and save what was measured before it
                traceback.print_exc()
                failed.append(subject)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    before = history.earlier(out, device, threads, scale)
    table.show(rows, before, ceilings)
    click.echo(f"saved in {history.write(out, rows, ceilings, device, threads, scale)}")
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
