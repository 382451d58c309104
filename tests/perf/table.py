"""Table of the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ceilings import Ceilings
from measure import Row

HEAD = ("subject", "what", "size", "ours", "baseline", "ratio", "before", "floor", "share", "peak", "target", "met")
LEFT = ("subject", "what", "size", "target")

Rows = Sequence[tuple[str, Row]]
Earlier = Mapping[tuple[str, str, str], float]


def show(rows: Rows, earlier: Earlier, ceilings: Ceilings) -> None:
    """Print all rows. earlier: seconds of the last run on this machine, by (subject, name, size)."""
    lines = [line(subject, row, earlier) for subject, row in rows]
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        print("\n".join(plain(lines)))
    else:
        table = Table()
        for name in HEAD:
            table.add_column(name, justify="left" if name in LEFT else "right", overflow="fold")
        for cells in lines:
            table.add_row(*cells)
        console = Console()
        Console(width=console.width if console.is_terminal else 200).print(table)
    for subject, row in rows:
        if row.note:
            print(f"  {subject}, {row.name} {row.size}: {row.note}")
    print(legend(ceilings))


def line(subject: str, row: Row, earlier: Earlier) -> tuple[str, ...]:
    """Return the cells of a row, in the order of :data:`HEAD`."""
    before = earlier.get((subject, row.name, row.size))
    return (
        subject,
        f"{row.name}, {row.what}",
        row.size,
        duration(row.ours),
        "" if row.baseline is None else duration(row.baseline),
        "" if row.ratio is None else f"{row.ratio:.3g}x",
        "" if before is None else f"{before / row.ours:.2f}x",
        "" if row.floor is None else duration(row.floor.seconds),
        "" if row.share is None else f"{row.share:.0%}",
        "" if row.memory is None else f"{row.memory / 1e6:.0f} MB",
        row.target,
        {None: "", True: "yes", False: "no"}[row.met],
    )


def plain(lines: Sequence[Sequence[str]], head: Sequence[str] = HEAD, left: Sequence[str] = LEFT) -> list[str]:
    """Return the lines of a plain table. left: names of the columns that are aligned to the left."""
    whole = [head, *lines]
    widths = [max(len(cells[i]) for cells in whole) for i in range(len(head))]
    pad = [str.ljust if name in left else str.rjust for name in head]
    return ["  ".join(p(c, w) for p, c, w in zip(pad, cells, widths, strict=True)).rstrip() for cells in whole]


def duration(seconds: float) -> str:
    """Format seconds with three digits and a unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1 or unit == "us":
            return f"{seconds * factor:.3g} {unit}"
    raise AssertionError("unreachable: microseconds take everything")


def legend(ceilings: Ceilings) -> str:
    """Return the explanation of the columns, with the ceilings."""
    half = "" if ceilings.half is None else f", {ceilings.half / 1e12:.0f} TFLOP/s in bfloat16"
    return (
        f"ceilings, measured now: copy {ceilings.copy / 1e9:.1f} GB/s (read and written), read "
        f"{ceilings.read / 1e9:.1f} GB/s, matrix products {ceilings.matmul / 1e9:.0f} GFLOP/s{half}\n"
        "ratio: baseline / ours, timed in turn. before: ours last time / ours now. floor: least bytes and operations "
        "at the ceilings; share: floor / ours. peak: memory added."
    )
