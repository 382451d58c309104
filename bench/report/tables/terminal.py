"""The tables for a console."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from alseg_core.metrics.curve import AUBC
from bench.report.analysis import Analysis, analyse
from bench.report.compared import only_controls
from bench.report.controls import controls_verdict
from bench.report.numbers import NOTHING
from bench.report.run_names import run_names
from bench.report.runs.collapse import WARNING, collapsed
from bench.report.runs.embeddings import lost
from bench.report.runs.results import Results
from bench.report.setting import Setting
from bench.report.tables.headline import headline, next_step
from bench.report.tables.interpretation import meaning
from bench.report.tables.main_table import Cell, Panel, panels
from bench.study.typeable import typeable

COMMAND = re.compile(r"`([^`]+)`")
"""A command in a sentence."""
COMMANDS = re.compile(r"`[^`]+`(?: and `[^`]+`)*")
"""All commands of a sentence."""
MOST_RUNS = 20
"""Most unfinished runs that are named."""
analysed = lru_cache(maxsize=1)(analyse)
"""Cached :func:`analyse`: what :func:`bench.report.write` has just computed is not computed again to be shown."""


def terminal(results: Results) -> Group:
    """Return what was found, first in a sentence per setting, then as tables; and what is missing."""
    analysis = analysed(results)
    shown = list(panels(results, analysis))
    single = len(shown) == 1
    steps = [next_step(results, analysis, panel.setting, results.own) for panel in shown]
    shared = len(set(steps)) == 1
    parts: list[RenderableType] = []
    for panel in shown:
        found = Text(headline(results, analysis, panel.setting), "bold")
        parts.append(found if single else Text(f"{panel.title}: ") + found)
    parts += _step(steps[0]) if shared else []
    for panel, step in zip(shown, steps, strict=True):
        explained = meaning(results, analysis, panel.setting)[:1] if single else []
        after = [*explained, *_doubts(results, analysis, panel.setting)]
        parts += [Text(), Fitting(panel), *([] if shared else _step(step)), *_lines(after)]
    return Group(*parts, *([Text()] if shown else []), *_lines(missing(results)))


def _lines(texts: Iterable[str]) -> Iterator[Text]:
    return (Text(text) for text in texts if text)


def _step(text: str) -> list[Text]:
    """Return the next step; each command has a line of its own, which is not broken, so that it can be copied."""
    commands = COMMAND.findall(text)
    if not commands:
        return list(_lines([text]))
    said = COMMANDS.sub("this command" if len(commands) == 1 else "these commands", text)
    lines = (Text(f"    {typeable(command)}", no_wrap=True, overflow="ignore") for command in commands)
    return [Text(f"{said.removesuffix('.')}:"), *lines]


def _doubts(results: Results, analysis: Analysis, setting: Setting) -> Iterator[str]:
    """Yield whether controls are found, and a warning where networks have lost classes."""
    if not only_controls(results, analysis, setting) and (text := controls_verdict(results, analysis, setting)):
        yield text
    if gone := collapsed(results.structures, setting):
        yield f"warning: {gone}. {WARNING}."


def missing(results: Results) -> list[str]:
    """Return lines about missing runs, encoders that lost what an untrained one knows, notes and problems."""
    names = run_names(results)
    lines = [f"failed: {names[key]}: {reason}" for key, reason in results.failed.items()]
    if results.unfinished:
        left = [names[key] for key in results.unfinished]
        more = f"; and {len(left) - MOST_RUNS} more" if len(left) > MOST_RUNS else ""
        lines.append(f"not finished: {'; '.join(left[:MOST_RUNS])}{more}")
    lines += lost(results.embeddings)
    return [*lines, *(f"note: {note}" for note in results.notes), *(f"problem: {line}" for line in results.problems)]


@dataclass(frozen=True)
class Fitting:
    """A panel that fits the console: with intervals and sd, with sd, means only, or the last budget only."""

    panel: Panel

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """See rich."""
        forms = [
            table(self.panel, sd=True, interval=not self.panel.few),
            table(self.panel, sd=True),
            table(self.panel),
            table(self.panel, budgets=1),
        ]
        free = options.update(max_width=10_000)
        widths = (Measurement.get(console, free, form).maximum for form in forms)
        fitting = (form for form, width in zip(forms, widths, strict=True) if width <= options.max_width)
        yield next(fitting, forms[-1])


def table(panel: Panel, sd: bool = False, interval: bool = False, budgets: int | None = None) -> Table:
    """Return a panel as a table. budgets: number of last budgets to show; None = all."""
    counts = {row.seeds for row in panel.rows}
    same = len(counts) == 1  # then the title has it, and the table fits 80 columns
    seeds = f"{(count := counts.pop())} seed{'' if count == '1' else 's'}" if same else "seeds"
    spread = ", mean ± sd" if sd else ", mean"
    title = f"{panel.what}{spread} over {seeds}: {panel.title}"
    # as plain strings, rich would take [x] in names for markup
    heading = Text(title, "table.title")
    out = Table(title=heading, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    out.add_column("recipe", no_wrap=True)
    shown = slice(0 if budgets is None else -budgets, None)
    heads = panel.heads if sd else [head.replace(" slices)", ")") for head in panel.heads]
    ends = [AUBC, *(["95 %\ninterval"] if interval else []), *([] if same else ["seeds"])]
    for head in [*heads[shown], *ends]:
        out.add_column(Text(head.replace(" (", "\n(")), justify="right", no_wrap=True)
    for row in panel.rows:
        last = [] if not interval else [Text(row.area.interval if row.area else NOTHING)]
        cells = [_text(cell, sd) for cell in [*row.cells[shown], row.area]]
        name = f"{row.recipe}\n(reads truth)" if row.reference else row.recipe  # short, for 80 columns
        out.add_row(Text(name), *cells, *last, *([] if same else [row.seeds]))
    return out


def _text(cell: Cell | None, sd: bool) -> Text:
    if cell is None:
        return Text(NOTHING)
    style = "bold" if cell.best else "underline" if cell.tied else ""
    mean = Text(f"{cell.mean:.3f}", style)
    return mean + Text(cell.text[len(mean) :]) if sd else mean
