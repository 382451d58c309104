"""The tables in LaTeX: one booktabs tabular per setting."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from alseg_core.metrics.curve import AUBC
from bench.report.tables.main_table import Cell, Panel, Row

SIGNS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "—": "--",
    "±": r"$\pm$",
}
HEAD = "% Requires \\usepackage{booktabs}. Mean and standard deviation over seeds.\n"


def latex(panels: Iterable[Panel]) -> str:
    """Return one table per panel, with references that read ground truth at the bottom."""
    return "\n".join([HEAD, *map(_table, panels)])


def escape(text: str) -> str:
    """Return plain text escaped for LaTeX."""
    return "".join(SIGNS.get(sign, sign) for sign in text)


def _table(panel: Panel) -> str:
    rivals = [row for row in panel.rows if not row.reference]
    references = [row for row in panel.rows if row.reference]
    units = ["", *(f"({slices})" for slices in panel.slices), ""]
    lines = [
        *(f"% {line}" for line in textwrap.wrap(panel.key, 118)),
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(f'{panel.what}, mean ± sd over seeds: {panel.title}. In parentheses: slices.')}}}",
        rf"\begin{{tabular}}{{l{'r' * len(panel.budgets)}r}}",
        r"\toprule",
        _line(["recipe", *(escape(budget) for budget in panel.budgets), AUBC]),
        _line(units),
        r"\midrule",
        *map(_row, rivals),
        *([r"\midrule", *map(_row, references)] if references else []),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _row(row: Row) -> str:
    return _line([escape(row.label), *map(_cell, [*row.cells, row.area])])


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "--"
    mean, _, spread = cell.text.partition(" ")
    marked = rf"\textbf{{{mean}}}" if cell.best else rf"\underline{{{mean}}}" if cell.tied else mean
    return rf"{marked} {{\scriptsize {escape(spread)}}}" if spread else marked


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
