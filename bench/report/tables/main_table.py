"""Recipes x budgets: the main table of a setting, before anyone writes it down."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alseg_core.metrics.curve import AUBC
from alseg_core.vocabulary import reads_ground_truth
from bench.report.analysis import Analysis
from bench.report.runs.provenance import FEW_SEEDS
from bench.report.runs.results import Results
from bench.report.setting import SETTING, Setting, references, rows_of, title
from bench.report.statistics.budget_summary import AREA_ROUND
from bench.report.statistics.paired import ALPHA

NOTHING = "—"
"""Stands where there is no number."""
KEY = (
    f"Bold: the best. Underlined: not significantly worse than the best (paired t-tests over seeds at level {ALPHA:g}, "
    f"Holm correction over all pairs and budgets of the table); with fewer than {FEW_SEEDS} seeds nothing is "
    f"underlined. {AUBC}: area under the budget curve, over labelled slices."
)


@dataclass(frozen=True)
class Cell:
    """Dice of a recipe at a budget, or its AUBC: mean and sd over seeds, 95 % interval; NaN where there is none.

    best: highest mean. tied: tested against the best and not found worse; never without :data:`FEW_SEEDS` seeds.
    """

    mean: float
    sd: float = math.nan
    low: float = math.nan
    high: float = math.nan
    seeds: int = 0
    best: bool = False
    tied: bool = False

    @property
    def text(self) -> str:
        """Mean and, of several seeds, sd."""
        return f"{self.mean:.3f}" + ("" if math.isnan(self.sd) else f" ± {self.sd:.3f}")

    @property
    def interval(self) -> str:
        """The 95 % interval."""
        return between(self.low, self.high)


def between(low: float, high: float, digits: int = 2) -> str:
    """An interval, or :data:`NOTHING`."""
    return NOTHING if math.isnan(low) or math.isnan(high) else f"[{low:.{digits}f}, {high:.{digits}f}]"


@dataclass(frozen=True)
class Row:
    """One recipe. cells: one a budget, None where there is no run; reference: it reads ground truth."""

    recipe: str
    cells: list[Cell | None]
    area: Cell | None
    reference: bool

    @property
    def label(self) -> str:
        """Name for a reader."""
        return f"{self.recipe} (reads ground truth)" if self.reference else self.recipe

    @property
    def seeds(self) -> str:
        """How many, as a span where the budgets differ."""
        counts = sorted({cell.seeds for cell in self.cells if cell})
        return str(counts[0]) if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"


@dataclass(frozen=True)
class Panel:
    """Dice of one setting. budgets, slices: of the columns; rows: best AUBC first, then best last Dice."""

    setting: Setting
    title: str
    scored: str
    budgets: list[str]
    slices: list[int]
    rows: list[Row]

    @property
    def heads(self) -> list[str]:
        """Column heads with the budget and what it means in slices."""
        both = zip(self.budgets, self.slices, strict=True)
        return [f"{budget} ({n} slices)" if budget.endswith("%") else f"{n} slices" for budget, n in both]

    @property
    def what(self) -> str:
        """What the numbers are."""
        return f"{'Test' if self.scored == 'test' else 'Validation'} Dice"


def panels(results: Results, analysis: Analysis) -> Iterator[Panel]:
    """The panel of every setting that has a finished round."""
    for names, cells in analysis.cells.groupby(SETTING, sort=False):
        dataset, annotation, schedule = map(str, names)
        setting = (dataset, annotation, schedule)
        heads = cells.groupby("round").agg({"budget": "first", "labelled": "mean"})
        areas = _areas(rows_of(analysis.areas, setting), rows_of(analysis.tests, setting))
        rows = [
            Row(
                str(recipe),
                [_cells(own).get(n) for n in heads.index],
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
            rows=sorted(rows, key=_standing, reverse=True),
        )


def each(table: pd.DataFrame) -> Iterable[Any]:
    """The rows, whose columns are attributes of any type."""
    return table.itertuples(index=False)


def _standing(row: Row) -> tuple[float, float]:
    area = -1.0 if row.area is None or math.isnan(row.area.mean) else row.area.mean
    return area, next((cell.mean for cell in reversed(row.cells) if cell), -1.0)


def _cells(own: pd.DataFrame) -> dict[Any, Cell]:
    """Round -> cell of one recipe."""
    return {
        row.round: Cell(
            row.mean,
            row.sd,
            row.low,
            row.high,
            int(row.seeds),
            bool(row.best),
            bool(row.tied and not row.best and row.seeds >= FEW_SEEDS),
        )
        for row in each(own)
    }


def _areas(areas: pd.DataFrame, tests: pd.DataFrame) -> dict[str, Cell]:
    """Recipe -> AUBC on slices; best and tied as in the other columns, from the tests of the areas."""
    own = areas[(areas["axis"] == "slices") & areas["mean"].notna()]
    rivals = own[~references(own["recipe"])]
    leaders = rivals[rivals["seeds"] == rivals["seeds"].max()].sort_values("mean", ascending=False, kind="stable")
    # one that alone has all seeds was compared with nobody
    best = str(leaders["recipe"].iloc[0]) if len(leaders) > 1 or len(rivals) == 1 else ""
    tied: set[str] = set()
    for row in each(tests[tests["round"] == AREA_ROUND]):
        if best in (row.a, row.b) and row.seeds >= FEW_SEEDS and not math.isnan(row.p_holm):
            ahead = row.difference if row.a == best else -row.difference
            if row.p_holm >= ALPHA or ahead <= 0:
                tied.add(str(row.b if row.a == best else row.a))
    return {
        str(row.recipe): Cell(
            row.mean, row.sd, row.low, row.high, int(row.seeds), row.recipe == best, row.recipe in tied
        )
        for row in each(own)
    }
