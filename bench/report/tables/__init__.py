"""Tables of a report: long ones for files, recipes x budgets for reading."""

from bench.report.tables.comparison import comparison
from bench.report.tables.latex import latex
from bench.report.tables.main_table import Cell, Panel, Row, panels
from bench.report.tables.terminal import terminal
from bench.report.tables.timing import timing

__all__ = ["Cell", "Panel", "Row", "comparison", "latex", "panels", "terminal", "timing"]
