"""One row of a leaderboard: a method of a bundle in one setting, with the numbers of the bundle's own report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from bench.report.analysis import PLANNED, PLANNED_CONTROL, PLANNED_REFERENCE, Analysis
from bench.report.compared import baseline, differences, score
from bench.report.numbers import between_signed, probability
from bench.report.runs.results import Results
from bench.report.setting import Setting, rows_of
from bench.report.statistics.paired import ALPHA, FEW_SEEDS
from bench.report.tables import Cell, Panel, timing
from bench.report.tables.main_table import each
from bench.report.tables.sheet import Entry as Number
from bench.report.tables.sheet import number

OUTSIDE = {PLANNED_CONTROL: "control, uncorrected", PLANNED_REFERENCE: "uncorrected"}
"""Kind of a planned test outside the family -> what is said of its p-value."""


@dataclass(frozen=True)
class Difference:
    """The planned test of a method against the one that its study compares all others with."""

    against: str
    """Name of that other recipe."""
    score: str
    """What was tested, such as "AUBC"."""
    mean: float
    """Mean of the differences, method - other, over the seeds that both have."""
    low: float
    """Lower end of the 95 % interval, over seeds and test patients; NaN with fewer than :data:`FEW_SEEDS` seeds."""
    high: float
    """Its upper end."""
    p: float
    """p-value with Holm's correction over the family of its study; NaN if no test could be made."""
    note: str
    """What else to know of the test; "" for one of the family."""

    @property
    def interval(self) -> str:
        """The interval as text."""
        return between_signed(self.low, self.high)

    @property
    def probability(self) -> str:
        """The p-value as text."""
        return probability(self.p)

    @property
    def finding(self) -> str:
        """ "better", "worse", "not shown", or "not tested"."""
        if math.isnan(self.p):
            return "not tested"
        return "not shown" if self.p >= ALPHA else "better" if self.mean > 0 else "worse"


@dataclass(frozen=True)
class Row:
    """One method of one bundle in one setting."""

    recipe: str
    """Name of the method."""
    bundle: str
    """Name of the bundle."""
    strict: bool
    """Whether the bundle passes the check of ``--strict``."""
    family: str
    """Name of the method's family."""
    reference: bool
    """Whether it reads ground truth: such rows are shown, but do not compete."""
    base: bool
    """Whether it is what the others of its bundle are compared with."""
    score: Cell | None
    """AUBC, or Dice at the only budget; None without a complete run."""
    last: Cell | None
    """Dice at the last budget."""
    seeds: str
    """Number of seeds."""
    difference: Difference | None
    """Difference from what its study compares with; None where nothing was planned."""
    slices: Number
    """Annotated slices at the last budget."""
    minutes: Number
    """Minutes that annotating them took by the study's model."""
    embedding: Number
    """Seconds a round of the embedding, the training of its encoder included."""
    selection: Number
    """Seconds a round of choosing slices."""

    @property
    def seconds(self) -> float | None:
        """Both together; None if none is known."""
        known = [value for part in (self.embedding, self.selection) if (value := part.value) is not None]
        return sum(known) if known else None


def rows(
    results: Results, analysis: Analysis, panel: Panel, bundle: tuple[str, bool], families: Mapping[str, str]
) -> Iterator[Row]:
    """Yield the rows of a setting. bundle: its name, and whether it passes ``--strict``; families: recipe -> family."""
    setting, single = panel.setting, len(panel.budgets) == 1
    cells = rows_of(analysis.cells, setting)
    last = {row.recipe: row for row in each(cells[cells["round"] == cells["round"].max()])}
    seconds = rows_of(timing(results), setting).set_index("recipe").reindex([row.recipe for row in panel.rows])
    tested = dict(_differences(analysis, setting))
    for row in panel.rows:
        at = last.get(row.recipe)
        yield Row(
            row.recipe,
            *bundle,
            family=families[row.recipe],
            reference=row.reference,
            base=row.recipe == baseline(analysis, setting),
            score=row.cells[-1] if single else row.area,
            last=row.cells[-1],
            seeds=row.seeds,
            difference=tested.get(row.recipe),
            slices=number(math.nan if at is None else at.labelled, ".0f"),
            minutes=number(math.nan if at is None else at.minutes, ".1f"),
            embedding=_seconds(seconds, row.recipe, "embed"),
            selection=_seconds(seconds, row.recipe, "select"),
        )


def _differences(analysis: Analysis, setting: Setting) -> Iterator[tuple[str, Difference]]:
    """Yield (recipe, its planned test)."""
    against, what = baseline(analysis, setting), score(analysis, setting)
    tests = differences(analysis, setting)
    for row in each(tests[tests["test"].isin([PLANNED, *OUTSIDE])]):
        enough = row.seeds >= FEW_SEEDS
        low, high, p = (row.low, row.high, row.p_holm if row.test == PLANNED else row.p) if enough else (math.nan,) * 3
        yield row.recipe, Difference(against, what, row.difference, low, high, p, OUTSIDE.get(row.test, ""))


def _seconds(table: pd.DataFrame, recipe: str, part: str) -> Number:
    """Return the CPU time of a part of a round, or its wall time where that is not recorded. table: by recipe."""
    cpu, wall = (float(table[name][recipe]) if name in table else math.nan for name in (f"{part}_cpu", part))
    if not math.isnan(cpu) or math.isnan(wall):
        return number(cpu, ".2f")
    return Number(f"{wall:.2f} (wall)", wall)
