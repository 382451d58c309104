"""The report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from alseg_core.metrics.curve import AUBC
from bench.report.document import Document, Section
from bench.report.numbers import NOTHING
from bench.report.tables.comparison import LEGEND
from bench.report.tables.main_table import Cell, Panel
from bench.report.tables.sheet import Sheet

if TYPE_CHECKING:
    from bench.report.figures import Drawn

FILES = (
    "comparison.csv holds every metric; cells.csv, areas.csv, tests.csv, penalties.csv, standing.csv, power.csv, "
    "primary.csv, embeddings.csv and timing.csv hold the rest; cases.csv tells which volume is in which part."
)

OPENING = re.compile(r"\[(?![-+]?\d+\.\d+, [-+]?\d+\.\d+\](?![(\[:]))")
"""Opening bracket of what Markdown may take for a link; those of intervals such as [0.1, 0.2] are left alone."""


def markdown(document: Document) -> str:
    """Return the report as Markdown, with links to the figures."""
    return "\n".join(_lines(document))


def _lines(document: Document) -> Iterator[str]:
    yield from (f"# {_plain(document.name)}", "")
    if document.what:
        yield from (_plain(document.what), "")
    yield from (f"- {_plain(label)}: {_plain(text)}" for label, text in document.header)
    yield ""
    yield from _list("Recipes", [f"{recipe}: {text}" for recipe, text in document.recipes])
    yield from _list("Before you trust a number", document.warnings)
    yield from _list("Notes on merging", document.notes)
    for section in document.sections:
        yield from _section(section)
    for picture in document.figures:
        yield from _figure(picture)
    yield from _failures(document)
    for section in document.sections:
        pairs = [f"{label}: {text}" for label, text in section.facts.items()]
        yield from _list(f"Setting: {section.panel.title}", pairs)
    yield from _list("Time, memory, savings", document.work)
    yield from _list("Encoder weights", [f"{recipe}: {init}" for recipe, init in document.weights])
    yield from _list("What to cite", [f"{name}: {text}" for name, text in document.sources])
    if document.sections:
        yield from ("## Files", "", f"{FILES} {LEGEND}", "")


def _section(section: Section) -> Iterator[str]:
    panel = section.panel
    yield from (f"## {_plain(panel.title)}", "", f"**{_plain(section.headline)}**", "")
    if section.next_step:
        yield from (_plain(section.next_step), "")
    yield from (f"{_plain(panel.what)}, mean ± sd over seeds. {panel.key}", "")
    yield from (*pipes(["recipe", *panel.heads, AUBC, "95 % interval", "seeds"], _rows(panel)), "")
    yield from (line for sentence in section.sentences for line in (_plain(sentence), ""))
    for picture in section.figures:
        yield from _figure(picture)
    for sheet in section.sheets:
        yield from (f"### {_plain(sheet.title)}", "", _plain(sheet.note), "", *_sheet(sheet), "")


def _rows(panel: Panel) -> Iterator[list[str]]:
    for row in panel.rows:
        interval = NOTHING if row.area is None else row.area.interval
        yield [_plain(row.label), *map(_marked, row.cells), _marked(row.area), interval, row.seeds]


def _marked(cell: Cell | None) -> str:
    if cell is None:
        return NOTHING
    return f"**{cell.text}**" if cell.best else f"<u>{cell.text}</u>" if cell.tied else cell.text


def _sheet(sheet: Sheet) -> list[str]:
    return pipes(map(_plain, sheet.columns), ([_plain(entry.text) for entry in line.entries] for line in sheet.lines))


def _figure(picture: Drawn) -> Iterator[str]:
    title = _plain(picture.title)
    if picture.path is not None:
        yield from (f"![{title}]({picture.path.name})", "", f"*{title}.* {_plain(picture.caption)}", "")


def _failures(document: Document) -> Iterator[str]:
    lines = [f"failed: {key}: {reason}" for key, reason in document.failed]
    if document.unfinished:
        lines.append(f"not finished: {'; '.join(document.unfinished)}")
    yield from _list("Missing runs", [*lines, *document.problems])
    yield from _list("Missing figures", [*document.faults, *document.gaps])


def _list(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from (f"## {_plain(title)}", "", *(f"- {_plain(line)}" for line in lines), "")


def _plain(text: str) -> str:
    """Return the text on one line, with markup escaped."""
    escaped = OPENING.sub(r"\\[", text.replace("\\", r"\\")).replace("<", "&lt;")
    return " ".join(escaped.split())


def pipes(head: Iterable[str], body: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    heads = list(head)
    rows = [heads, ["---"] * len(heads), *body]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
