"""The rounds of a project as a table for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.project.status import Status

if TYPE_CHECKING:
    from rich.table import Table


def table(found: Status) -> Table:
    """Return the table of the finished rounds."""
    from rich import box
    from rich.table import Table

    out = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("round", "slices", "in all", "cost", "minutes", "Dice", "95 % interval"):
        out.add_column(name, justify="left" if name == "round" else "right")
    for line in found.rounds:
        score = line.score
        out.add_row(
            line.name,
            str(line.slices),
            str(line.labelled),
            "-" if line.cost is None else f"{line.cost:.1f}",
            "-" if line.minutes is None else f"{line.minutes:.0f}{'~' if line.measured < line.slices else ''}",
            "-" if score.dice is None else f"{score.dice:.3f}",
            "-" if score.interval is None else f"{score.interval[0]:.3f} to {score.interval[1]:.3f}",
        )
    return out
