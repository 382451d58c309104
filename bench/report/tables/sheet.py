"""A table of a report: texts, and the numbers to sort them by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bench.report.numbers import NOTHING


@dataclass(frozen=True)
class Entry:
    """A cell: its text, and the number to sort it by."""

    text: str
    value: float | None = None


@dataclass(frozen=True)
class Line:
    """A row, with the recipes and the budget that it is about, for filters; budget "" is about several."""

    entries: list[Entry]
    recipes: tuple[str, ...] = ()
    budget: str = ""


@dataclass(frozen=True)
class Sheet:
    """A table with its title and a note on how to read it."""

    title: str
    note: str
    columns: list[str]
    lines: list[Line]

    def ordered(self, order: Mapping[str, int]) -> Sheet:
        """Return the table with its recipes in an order, if it has one line per recipe."""
        names = [line.recipes for line in self.lines]
        if len(set(names)) < len(names) or any(len(name) != 1 for name in names):
            return self
        lines = sorted(self.lines, key=lambda line: order.get(line.recipes[0], len(order)))
        return Sheet(self.title, self.note, self.columns, lines)

    def lean(self) -> Sheet:
        """Return the table without empty columns."""
        full = [any(line.entries[i].text != NOTHING for line in self.lines) for i in range(len(self.columns))]
        columns = [name for name, kept in zip(self.columns, full, strict=True) if kept]
        lines = [
            Line([e for e, kept in zip(line.entries, full, strict=True) if kept], line.recipes, line.budget)
            for line in self.lines
        ]
        return Sheet(self.title, self.note, columns, lines)


def number(value: float, how: str) -> Entry:
    """Return the cell of a number; NaN is missing. how: format, such as ".3f"."""
    if math.isnan(value):
        return Entry(NOTHING)
    return Entry(format(value, f"z{how}"), float(value))
