"""The smaller tables of a report: differences, power, summary, metrics, empty predictions and times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from bench.report.analysis import CLAIM, EXPLORATORY, Analysis
from bench.report.compared import baseline, differences, few, ranking
from bench.report.numbers import NOTHING, between, between_signed, detectable, probability, signed
from bench.report.runs.columns import CHOICE, EMPTY_OF
from bench.report.runs.results import Results
from bench.report.setting import SETTING, Setting, enumerated, rows_of
from bench.report.statistics.budget_summary import AREA_ROUND
from bench.report.statistics.paired import FEW_SEEDS
from bench.report.tables import timing
from bench.report.tables.by_slice import by_slice
from bench.report.tables.main_table import each
from bench.report.tables.sheet import Entry, Line, Sheet, number
from bench.report.tables.timing import NOTE, OLDER

EMPTY = {"empty_predictions": "missed", "empty_truths": "invented"}
"""Summary of structures that the prediction, or the truth, lacks -> heading."""
MOST_NAMES = 6
"""Longest list of recipes in a note."""


def sheets(results: Results, analysis: Analysis, setting: Setting) -> list[Sheet]:
    """Return the tables of a setting that have rows; recipes stand in the order of the main table in all of them."""
    order = {recipe: place for place, recipe in enumerate(ranking(analysis, setting))}
    made = [
        from_baseline(analysis, setting, order),
        power(analysis, setting),
        standing(analysis, setting),
        label_cost(analysis, setting),
        measures(results, setting),
        by_slice(results, setting),
        empty(results, setting),
        times(results, setting),
    ]
    return [sheet.lean().ordered(order) for sheet in made if sheet.lines]


def from_baseline(analysis: Analysis, setting: Setting, order: Mapping[str, int]) -> Sheet:
    """Return each recipe's paired difference from the one that all are compared with, the planned tests first."""
    base, tests = baseline(analysis, setting), differences(analysis, setting)
    tests = tests.assign(later=tests["test"] == EXPLORATORY, place=tests["recipe"].map(order))
    lines = [
        Line(
            [
                Entry(row.recipe),
                Entry(str(row.budget)),
                _signed(row.difference),
                _interval(row),
                _probability(row.p if row.seeds >= FEW_SEEDS else math.nan),
                _probability(row.p_holm if row.seeds >= FEW_SEEDS else math.nan),
                Entry(row.test),
                _count(row.seeds),
            ],
            (row.recipe,),
            "" if row.round == AREA_ROUND else str(row.budget),
        )
        for row in each(tests.sort_values(["later", "round", "place"]))
    ]
    return Sheet(
        f"Difference from {base}",
        "Mean difference in Dice over the seeds that both recipes have, with its 95 % interval over seeds and test "
        "patients, and the p-value of the paired t-test over seeds on these patients. Planned: the tests of the "
        "study's primary comparison, with Holm's correction within this family; references, which read ground truth, "
        "and controls are tested beside it without correction. All other rows, and all other pairs in tests.csv, are "
        "exploratory and not corrected: one in twenty has p < .05 by chance. p is missing for identical runs, and "
        f"below {FEW_SEEDS} seeds, as intervals are.",
        ["recipe", "score", "difference", "95 % interval", "p", "p (Holm)", "test", "seeds"],
        lines,
    )


def power(analysis: Analysis, setting: Setting) -> Sheet:
    """Return the differences that these seeds can detect in the score of the primary comparison."""
    own, primary = rows_of(analysis.power, setting), rows_of(analysis.primary, setting)
    own = own[own["round"].isin(primary["round"]) & (own["seeds"] >= FEW_SEEDS) & own["difference"].notna()]
    lines = [
        Line(
            [
                Entry(row.recipe),
                Entry(str(row.budget)),
                _count(row.seeds),
                _signed(row.difference),
                _detectable(row.detectable),
                _detectable(row.detectable_holm),
                _seeds(row.seeds_needed),
                _seeds(row.seeds_needed_02),
                _seeds(row.seeds_needed_02_holm),
            ],
            (row.recipe,),
        )
        for row in each(own)
    ]
    tests = int(primary["tests"].max()) if len(primary) else 0
    return Sheet(
        "What these seeds can detect",
        f"Smallest true difference from {baseline(analysis, setting)} that a paired t-test at level .05 detects with "
        f"probability .8, given the observed spread: for one test, and within the family of {tests} planned, at level "
        f".05 / {tests} (a bound for Holm's correction). Then the number of seeds needed to detect a difference as "
        f"large as the observed one, and one of {CLAIM:g} Dice. The spread is itself an estimate from few seeds.",
        [
            "recipe",
            "score",
            "seeds",
            "difference",
            "detectable",
            "detectable, family",
            "seeds for this difference",
            f"seeds for {CLAIM:g}",
            f"seeds for {CLAIM:g}, family",
        ],
        lines,
    )


def standing(analysis: Analysis, setting: Setting) -> Sheet:
    """Return one line per recipe over all budgets."""
    own = rows_of(analysis.standing, setting)
    losses = rows_of(analysis.penalties, setting)
    wins = losses.groupby("winner")["penalty"].sum()
    lost = losses.groupby("loser")["penalty"].sum()
    areas = rows_of(analysis.areas, setting)
    cost, minutes = (areas[areas["axis"] == axis].set_index("recipe")["mean"] for axis in ("cost", "minutes"))
    base, shown = baseline(analysis, setting), not few(analysis, setting)
    lines = [
        Line(
            [
                Entry(row.recipe),
                number(row.rank, ".2f"),
                _with(row.iqm, row.iqm_low, row.iqm_high, 3, shown),
                number(float(cost.get(row.recipe, math.nan)), ".3f"),
                number(float(minutes.get(row.recipe, math.nan)), ".3f"),
                _with(row.improvement, row.improvement_low, row.improvement_high, 2, shown),
                number(float(wins.get(row.recipe, math.nan)), ".2f"),
                number(float(lost.get(row.recipe, math.nan)), ".2f"),
                _with(row.efficiency, row.efficiency_low, row.efficiency_high, 2, shown),
                number(row.cover_radius, ".4g"),
            ],
            (row.recipe,),
        )
        for row in each(own)
    ]
    return Sheet(
        "Summary over all budgets",
        "In the order of the main table, by AUBC; other measures may order recipes otherwise. Rank: average over "
        "budgets and seeds (1 is best). IQM: mean of the middle half of the runs' AUBC, "
        "with its 95 % interval. AUBC on cost, on minutes: area under the curve over "
        "annotation cost, or over the minutes that annotation took, instead of slices, within the range that all "
        "recipes cover; missing if that range is empty or the minutes are not recorded. P(> "
        f"{base}): probability that a run has a higher AUBC than a run of {base}; .5 means no difference. Wins, "
        "losses: penalties against the others; a difference at one budget whose 95 % interval leaves 0 out counts 1 / "
        "number of budgets (exploratory). Foreground efficiency: rate at which Dice approaches its value under full "
        "annotation as foreground is annotated, from one start that all recipes share; needs runs with everything "
        "annotated. Cover radius: largest distance of a training slice to its nearest labelled one, mean over "
        "budgets; smaller is better.",
        [
            "recipe",
            "rank",
            "IQM",
            "AUBC on cost",
            "AUBC on minutes",
            f"P(> {base})",
            "wins",
            "losses",
            "foreground efficiency",
            "cover radius",
        ],
        lines,
    )


LABEL_COSTS = ["labelled", "cost", "validation", "minutes", "validation_minutes"]


def label_cost(analysis: Analysis, setting: Setting) -> Sheet:
    """Return what the labels of the pool and of validation cost at each budget."""
    cells = rows_of(analysis.cells, setting)
    known = cells[cells["validation"].notna()]
    means = known.groupby(["round", "budget"], sort=True)[LABEL_COSTS].mean().reset_index()
    lines = [
        Line(
            [
                Entry(str(row.budget)),
                _count(row.labelled),
                number(row.cost, ".1f"),
                number(row.validation, ".1f"),
                number(row.cost + row.validation, ".1f"),
                number(100 * row.validation / (row.cost + row.validation), ".0f"),
                number(row.minutes, ".1f"),
                number(row.validation_minutes, ".1f"),
            ],
            budget=str(row.budget),
        )
        for row in each(means[means["cost"] + means["validation"] > 0])
    ]
    return Sheet(
        "What the labels cost",
        "Cost up to each budget in full-slice equivalents, where a full mask of a slice costs 1; mean over recipes and "
        "seeds. The budgets of all other tables are labelled slices of the pool. Validation masks choose the weights "
        "of each network and are bought once, in the first round. AUBC over the cost of all labels is AUBC on cost, as "
        "validation costs the same at every budget. Minutes are those of the study's model of annotation time, of the "
        "slices and of the validation masks. Test masks are not counted: no choice depends on them.",
        [
            "budget",
            "labelled slices",
            "their cost",
            "validation masks",
            "all labels",
            "validation's share (%)",
            "minutes",
            "minutes of validation",
        ],
        lines,
    )


def label_sentence(analysis: Analysis, setting: Setting) -> str:
    """Return in a sentence what validation cost beside the pool; "" if that is not recorded."""
    cells = rows_of(analysis.cells, setting)
    last = cells[cells["round"] == cells["round"].max()]
    validation, cost = float(last["validation"].mean()), float(last["cost"].mean())
    if math.isnan(validation):
        return ""
    if not validation:
        return "No validation labels were read: networks have the weights of their last training step."
    ratio = f", {validation / cost:.3g} times the {cost:.3g} of the pool's labels at the last budget" if cost else ""
    return (
        f"Beside the budgets, every run read the full masks of {validation:.0f} validation slices to choose its "
        f"networks' weights: {validation:.0f} full-slice equivalents{ratio}."
    )


def measures(results: Results, setting: Setting) -> Sheet:
    """Return every metric, and the Dice of each class, at the last budget."""
    scores = rows_of(results.scores, setting)
    last = scores[scores["round"] == scores["round"].max()] if len(scores) else scores
    shown = {name: (metric.heading, f".{metric.decimals}f") for name, metric in results.metrics.items()}
    by_class = dict.fromkeys(name for name in last["metric"] if name.startswith("dice_"))
    shown |= {name: (name.replace("dice_", "Dice ", 1), ".3f") for name in by_class}
    counts = {name: _empties(last, name) for name in EMPTY}
    means = last.groupby(["recipe", "metric"], sort=False)["value"].mean().to_dict()
    lines = [
        Line(
            [
                Entry(recipe),
                *(number(means.get((recipe, name), math.nan), how) for name, (_, how) in shown.items()),
                *(counts[name].get((recipe, last["round"].iloc[0]), Entry(NOTHING)) for name in EMPTY),
            ],
            (recipe,),
        )
        for recipe in dict.fromkeys(last["recipe"])
    ]
    budget = last["budget"].iloc[0] if len(last) else ""
    return Sheet(
        f"Metrics at the last budget, {budget}",
        f"Means over volumes, classes and seeds. {' '.join(metric.legend for metric in results.metrics.values())} "
        "Missed: structures that are in the ground truth but not in the prediction, of all volumes x classes, over all "
        "seeds; invented: the reverse. Both count as Dice 0 and NSD 0 and are left out of HD95 and ASSD.",
        ["recipe", *(name for name, _ in shown.values()), *EMPTY.values()],
        lines,
    )


def empty(results: Results, setting: Setting) -> Sheet:
    """Return the number of empty predictions per recipe and budget; no rows if there are none."""
    scores = rows_of(results.scores, setting)
    own = scores[scores["metric"] == "empty_predictions"]
    counts = _empties(scores, "empty_predictions") if own["value"].sum() else {}
    rounds = own.drop_duplicates("round").sort_values("round") if counts else own.iloc[:0]
    recipes = [recipe for recipe in results.recipes if any((recipe, number) in counts for number in rounds["round"])]
    lines = [Line([Entry(r), *(counts.get((r, n), Entry(NOTHING)) for n in rounds["round"])], (r,)) for r in recipes]
    return Sheet(
        "Empty predictions",
        "Structures that are in the ground truth but not in the prediction, of all volumes x classes, over all seeds. "
        "Each scores Dice 0; large numbers mean that networks have not learned a class at all.",
        ["recipe", *map(str, rounds["budget"])],
        lines,
    )


def _empties(scores: pd.DataFrame, name: str) -> dict[tuple[str, int], Entry]:
    """Return (recipe, round) -> number of empty structures and what they are counted among, over all seeds."""
    sums = scores.groupby(["metric", "recipe", "round"], sort=False)["value"].sum()
    if not {name, EMPTY_OF} <= set(sums.index.get_level_values("metric")):
        return {}
    both = pd.DataFrame({"count": sums[name], "of": sums[EMPTY_OF]}).dropna()
    return {
        (str(where[0]), int(where[1])): Entry(f"{row['count']:.0f} of {row['of']:,.0f}", float(row["count"]))
        for where, row in zip(both.index, both.to_dict("records"), strict=True)
    }


def times(results: Results, setting: Setting) -> Sheet:
    """Return the CPU time of choosing slices, and the wall time of the other parts of a round."""
    table = rows_of(timing(results), setting)
    cpu = {f"{part}_cpu": f"{part} (CPU s)" for part in CHOICE}
    older = table[table[list(cpu)].isna().any(axis=1)]["recipe"] if len(table) else table["recipe"]
    wall = [part for part in table.columns if part not in (*SETTING, "recipe", "rounds", *cpu)]
    shown = cpu | {part: f"{part} (s)" for part in wall if part not in CHOICE or len(older)}
    lines = [
        Line(
            [Entry(row["recipe"]), *(number(float(row[part]), ".2f") for part in shown), _count(row["rounds"])],
            (row["recipe"],),
        )
        for row in table.to_dict("records")
    ]
    note = NOTE + (OLDER.format(enumerated(list(older), MOST_NAMES)) if len(older) else "")
    return Sheet("Time of a round", note, ["recipe", *shown.values(), "rounds"], lines)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _probability(p: float) -> Entry:
    return Entry(probability(p), _known(p))


def _count(value: float) -> Entry:
    return Entry(f"{value:.0f}", float(value))


def _signed(difference: float) -> Entry:
    return Entry(signed(difference), _known(difference))


def _detectable(difference: float) -> Entry:
    return Entry(detectable(difference), _known(difference))


def _interval(row: Any) -> Entry:
    if row.seeds < FEW_SEEDS:
        return Entry(NOTHING)
    return Entry(between_signed(row.low, row.high), _known(row.low))


def _with(value: float, low: float, high: float, digits: int, shown: bool) -> Entry:
    """Return a number with its interval, if that is to be shown."""
    if math.isnan(value):
        return Entry(NOTHING)
    interval = between(low, high) if shown else NOTHING
    return Entry(f"{value:.{digits}f}" + ("" if interval == NOTHING else f" {interval}"), float(value))


def _seeds(value: float) -> Entry:
    if math.isnan(value):
        return Entry(NOTHING)
    return Entry("> 1,000", math.inf) if math.isinf(value) else Entry(f"{value:,.0f}", float(value))
