"""A comparison for a console of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from alseg_core.errors import plural
from alseg_core.visible import visible
from bench.diff.comparison import Comparison
from bench.diff.reproduced import Again, sentence
from bench.diff.scores import NAMES, Row
from bench.diff.settings import Difference
from bench.diff.side import Side
from bench.report.numbers import NOTHING, between_signed, signed
from bench.report.runs.results import budget_text
from bench.report.setting import Setting, enumerated, title

SHOWN = 30
"""Most differences and lines of a kind that are shown; JSON has all."""
WHERE = 2
"""Most recipes of a difference that are named."""


def terminal(comparison: Comparison) -> Group:
    """Return the verdict, then what differs, what only one side has, and the results."""
    parts: list[RenderableType] = [_side(*pair) for pair in zip(NAMES, comparison.sides, strict=True)]
    parts += [Text(), Text(comparison.verdict.text, "bold"), Text(sentence(comparison.again), "bold")]
    if comparison.differences:
        parts += [_settings(comparison.differences)]
    for name, lines in zip(NAMES, comparison.only, strict=True):
        parts += [Text(f"only in {name}: {line}") for line in _some(lines)]
    parts += [Text()] if any(comparison.only) else []
    parts += _again(comparison.again)
    for _, rows in groupby(comparison.rows, lambda row: row.settings):
        parts += _scores(list(rows))
    for name, side in zip(NAMES, comparison.sides, strict=True):
        notes = [*(f"note: {line}" for line in side.results.notes), *(f"problem: {p}" for p in side.results.problems)]
        parts += [Text(f"{name}, {line}") for line in _some(notes)]
    return Group(*parts)


def _side(name: str, side: Side) -> Text:
    missing = sum(not run.finished for run in side.runs)
    left = f", {missing} of them not finished" if missing else ""
    return Text(visible(f"{name}  {side.path}: study {side.results.name}, {plural(len(side.runs), 'run')}{left}"))


def _some(lines: Sequence[str]) -> list[str]:
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"and {more} more (--json shows all)"] if more > 0 else [])]


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))


def _settings(differences: Sequence[Difference]) -> Table:
    table = _table()
    somewhere = any(one.where for one in differences)
    for head in ("what differs", *NAMES, *(["where"] if somewhere else [])):
        table.add_column(head, overflow="fold")
    for group, some in groupby(differences[:SHOWN], lambda one: one.group):
        table.add_row(Text(group, "bold"))
        for one in some:
            where = [Text(enumerated(one.where, WHERE))] if somewhere else []
            table.add_row(Text(f" {one.path}"), Text(one.left), Text(one.right), *where)
    if (more := len(differences) - SHOWN) > 0:
        table.add_row(Text(f"and {more} more (--json shows all)"))
    return table


def _again(runs: Sequence[Again]) -> Iterator[RenderableType]:
    """Yield a table of the recipes with runs whose picks or scores differ."""
    recipes: dict[tuple[Setting, str], list[Again]] = {}
    for run in runs:
        recipes.setdefault((run.setting, run.recipe), []).append(run)
    other = {place: some for place, some in recipes.items() if not all(run.reproduced for run in some)}
    if not other:
        return
    several = len({setting for setting, _ in other}) > 1
    yield Text("By round: mean share of equal picks, and largest B - A in Dice of a run", "table.title")
    table = _table()
    table.add_column("recipe", overflow="fold")
    for budget in max((run.budgets for some in other.values() for run in some), key=len):
        table.add_column(budget_text(budget), justify="right", no_wrap=True)
    for (setting, recipe), some in other.items():
        where = f", {title(setting)}" if several else ""
        rounds = range(max(len(run.picks) for run in some))
        table.add_row(Text(f"{recipe}{where}"), *(Text(_round(some, number)) for number in rounds))
    yield table


def _round(runs: Sequence[Again], number: int) -> str:
    """Return what the runs of a recipe have in common in a round, on two lines."""
    own = [run for run in runs if number < len(run.picks)]
    share = sum(run.picks[number] for run in own) / len(own)
    dice = [value for run in own if (value := run.dice[number]) is not None]
    return f"{100 * share:.0f} %\n{signed(max(dice, key=abs)) if dice else NOTHING}"


def _scores(rows: Sequence[Row]) -> Iterator[RenderableType]:
    known = [setting for setting in dict.fromkeys(rows[0].settings) if setting is not None]
    scores = [next((row.scores[side] for row in rows if row.scores[side]), "") for side in range(len(NAMES))]
    one = len(set(filter(None, scores))) < 2
    heading = f"{scores[0] or scores[1] or 'No score yet'}: " if one else ""
    yield Text(f"{heading}{' and '.join(map(title, known))}", "table.title")
    table = _table()
    table.add_column("recipe", overflow="fold")
    sides = (name if one else f"{name}: {score}" for name, score in zip(NAMES, scores, strict=True))
    for head in (*(f"{side}\n(seeds)" for side in sides), "B - A", "95 %\ninterval", "paired\nseeds"):
        table.add_column(Text(head), justify="right", no_wrap=True)
    for row in rows:
        means = [_mean(*pair) for pair in zip(row.means, row.seeds, strict=True)]
        interval = between_signed(row.low, row.high)
        paired = str(row.common) if row.common else NOTHING
        table.add_row(Text(row.recipe), *means, signed(row.difference), Text(interval), paired)
    yield table
    for why in dict.fromkeys(row.apart for row in rows if row.apart):
        names = [row.recipe for row in rows if row.apart == why]
        yield Text(f"not paired, {why}" + ("" if len(names) == len(rows) else f" ({enumerated(names, WHERE)})"))


def _mean(mean: float, seeds: int) -> str:
    return NOTHING if math.isnan(mean) else f"{mean:.3f} ({seeds})"
