"""The main table of a setting, recipes x budgets, independent of any format."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alseg_core.metrics.curve import AUBC
from alseg_core.vocabulary import reads_ground_truth
from bench.report.analysis import Analysis
from bench.report.compared import ranking
from bench.report.numbers import NOTHING, between
from bench.report.runs.results import Results
from bench.report.setting import SETTING, Setting, rows_of, title
from bench.report.statistics.paired import FEW_SEEDS

MARKS = (
    "Bold: the highest mean. Underlined: tied with it, because the interval of their paired difference over seeds and "
    "test patients includes 0. These intervals are simultaneous over the comparisons with the best in a column (95 %, "
    "Bonferroni): whichever recipe is truly best is marked in at least 95 % of cases."
)
UNMARKED = f"With fewer than {FEW_SEEDS} seeds nothing is marked and no intervals are shown."
AREA = f"{AUBC}: area under the budget curve, over labelled slices"


@dataclass(frozen=True)
class Cell:
    """Dice of a recipe at a budget, or its AUBC; NaN = missing."""

    mean: float
    """Mean over seeds."""
    sd: float = math.nan
    """Standard deviation over seeds."""
    low: float = math.nan
    """Lower end of the 95 % interval."""
    high: float = math.nan
    """Upper end of the 95 % interval."""
    seeds: int = 0
    """Number of seeds."""
    best: bool = False
    """Whether it is the highest mean."""
    tied: bool = False
    """Whether it is tied with the best, and not the best itself."""

    @property
    def text(self) -> str:
        """Mean and, for several seeds, sd."""
        return f"{self.mean:.3f}" + ("" if math.isnan(self.sd) else f" ± {self.sd:.3f}")

    @property
    def interval(self) -> str:
        """The 95 % interval; NOTHING with fewer than :data:`FEW_SEEDS` seeds."""
        return between(self.low, self.high) if self.seeds >= FEW_SEEDS else NOTHING


@dataclass(frozen=True)
class Row:
    """One recipe."""

    recipe: str
    """Name of the recipe."""
    cells: list[Cell | None]
    """Cell of each budget; None without a run."""
    area: Cell | None
    """Cell of AUBC; None without a complete run."""
    reference: bool
    """Whether the recipe reads ground truth."""

    @property
    def label(self) -> str:
        """Name, with a note if the recipe reads ground truth."""
        return f"{self.recipe} (reads ground truth)" if self.reference else self.recipe

    @property
    def seeds(self) -> str:
        """Number of seeds, as a range if budgets differ."""
        counts = sorted({cell.seeds for cell in self.cells if cell})
        return str(counts[0]) if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"


@dataclass(frozen=True)
class Panel:
    """The main table of one setting."""

    setting: Setting
    """(dataset, annotation, schedule)."""
    title: str
    """The setting in words."""
    scored: str
    """Volumes that were scored, "test" or "val"."""
    budgets: list[str]
    """Budgets of the columns."""
    slices: list[int]
    """Labelled slices at the budgets."""
    rows: list[Row]
    """Recipes, by AUBC, then by last Dice, best first; those that read ground truth are last."""

    @property
    def few(self) -> bool:
        """Whether no recipe has :data:`FEW_SEEDS` seeds."""
        return not any(cell.seeds >= FEW_SEEDS for row in self.rows for cell in row.cells if cell)

    @property
    def key(self) -> str:
        """What marks and columns mean."""
        if self.few:
            return f"{UNMARKED} {AREA}."
        return f"{MARKS} {AREA}, with its own 95 % interval, also over seeds and test patients."

    @property
    def heads(self) -> list[str]:
        """Column heads: the budget, and its number of slices."""
        both = zip(self.budgets, self.slices, strict=True)
        return [f"{budget} ({n} slices)" if budget.endswith("%") else f"{n} slices" for budget, n in both]

    @property
    def what(self) -> str:
        """Name of the scores."""
        return f"{'Test' if self.scored == 'test' else 'Validation'} Dice"


def panels(results: Results, analysis: Analysis) -> Iterator[Panel]:
    """Yield the panel of every setting with a finished round."""
    for names, cells in analysis.cells.groupby(SETTING, sort=False):
        dataset, annotation, schedule = map(str, names)
        setting = (dataset, annotation, schedule)
        order = ranking(analysis, setting)
        heads = cells.groupby("round").agg({"budget": "first", "labelled": "mean"})
        found = rows_of(analysis.areas, setting)
        areas = _cells(found[(found["axis"] == "slices") & found["mean"].notna()], "recipe")
        rows = [
            Row(
                str(recipe),
                [_cells(own, "round").get(n) for n in heads.index],
                areas.get(str(recipe)),
                reads_ground_truth(str(recipe)),
            )
            for recipe, own in cells.groupby("recipe", sort=False)
        ]
        yield Panel(
            setting=setting,
            title=title(setting, results.origins.get((dataset, annotation))),
            scored=results.scored.get(setting, "test"),
            budgets=[str(budget) for budget in heads["budget"]],
            slices=[round(n) for n in heads["labelled"]],
            rows=sorted(rows, key=lambda row: order.index(row.recipe)),
        )


def each(table: pd.DataFrame) -> Iterable[Any]:
    """Return the rows as tuples with columns as attributes."""
    return table.itertuples(index=False)


def _cells(own: pd.DataFrame, by: str) -> dict[Any, Cell]:
    """Return the value of column ``by`` -> cell."""
    return {
        getattr(row, by): Cell(
            row.mean, row.sd, row.low, row.high, int(row.seeds), bool(row.best), bool(row.tied and not row.best)
        )
        for row in each(own)
    }
