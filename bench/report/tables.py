"""Comparison tables: long for files, recipes x budgets for reading."""

from __future__ import annotations

import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bench.report.collect import SETTING, Results

METRICS = ("dice", "hd95_mm", "assd_mm", "nsd", "empty_predictions", "empty_truths")
AUBC = "aubc_dice"
COLUMNS = [*SETTING, "recipe", "budget", "labelled", "metric", "mean", "sd", "seeds"]
NOTHING = "—"
PARTS = ("embed", "select", "annotate", "train", "evaluate", "cover")
LEGEND = (
    "Means over test volumes of the mean over their classes; sd over seeds. empty_predictions: structures (volume x "
    "class) that are there and of which nothing was predicted; empty_truths: predicted ones that are not there. Both "
    "count with Dice 0, NSD 0 and distances equal to the volume's diagonal; where both are empty nothing counts."
)

TIME = (
    "Mean wall seconds of a round's parts, with whatever else the machine did. An embedding that the store held "
    "was only read; a first round that is shared with other recipes counts with the time its training took."
)


def aubc(budgets: ArrayLike, scores: ArrayLike) -> float:
    """Area under the budget curve: trapezoid of ``scores`` over true ``budgets`` / (b_T - b_0); NaN for one budget."""
    b, s = np.asarray(budgets, dtype=float), np.asarray(scores, dtype=float)
    return float(np.trapezoid(s, b) / (b[-1] - b[0])) if len(b) > 1 else math.nan


def _spread(values: pd.Series) -> dict[str, float]:
    return {"mean": float(values.mean()), "sd": float(values.std(ddof=1)), "seeds": int(values.count())}


def comparison(results: Results) -> pd.DataFrame:
    """One row a setting, recipe, budget and metric, columns :data:`COLUMNS`; sd over seeds, ddof 1, NaN for one seed.

    AUBC of Dice is a metric over all budgets; it counts only the runs that have them all.
    """
    scores = results.scores[results.scores["metric"].isin(METRICS)]
    rows: list[dict[str, Any]] = []
    for group, part in scores.groupby([*SETTING, "recipe", "round", "metric"], sort=False):
        names = dict(zip([*SETTING, "recipe", "round", "metric"], typing.cast(tuple[Any, ...], group), strict=True))
        number = names.pop("round")
        rows.append(
            names
            | {"budget": part["budget"].iloc[0], "labelled": round(part["labelled"].mean())}
            | {"_round": number, **_spread(part["value"])}
        )
    dice = scores[scores["metric"] == "dice"].sort_values("round")
    for setting, part in dice.groupby(SETTING, sort=False):
        rounds = part["round"].nunique()
        for recipe, runs in part.groupby("recipe", sort=False):
            whole = [run for _, run in runs.groupby("key", sort=False) if len(run) == rounds]
            areas = pd.Series([aubc(run["labelled"], run["value"]) for run in whole], dtype=float).dropna()
            if len(areas):
                last = whole[0]
                span = f"{last['budget'].iloc[0]} to {last['budget'].iloc[-1]}"
                rows.append(
                    dict(zip(SETTING, setting, strict=True))
                    | {"recipe": recipe, "budget": span, "labelled": int(last["labelled"].iloc[-1])}
                    | {"metric": AUBC, "_round": rounds, **_spread(areas)}
                )
    table = pd.DataFrame(rows, columns=[*COLUMNS, "_round"])
    rank = {name: i for i, name in enumerate([*METRICS, AUBC])}
    order = {recipe: i for i, recipe in enumerate(results.recipes)}
    table["_metric"], table["_recipe"] = table["metric"].map(rank), table["recipe"].map(order)
    return table.sort_values([*SETTING, "_metric", "_round", "_recipe"], ignore_index=True)[COLUMNS]


@dataclass(frozen=True)
class Panel:
    """Dice of one setting. budgets: column heads; rows: (recipe, one cell a budget, AUBC, seeds), best first."""

    title: str
    budgets: list[str]
    rows: list[tuple[str, list[str], str, str]]


def panels(table: pd.DataFrame, origins: Mapping[tuple[str, str], str] | None = None) -> Iterator[Panel]:
    """Recipes x budgets for every setting of a :func:`comparison`: best AUBC first, then best last Dice.

    origins: (dataset, annotation) -> where its labels come from.
    """
    for setting, part in table.groupby(SETTING, sort=False):
        dataset, annotation, schedule = setting
        dice = part[part["metric"] == "dice"]
        areas = part[part["metric"] == AUBC].set_index("recipe")
        heads = dice[["budget", "labelled"]].drop_duplicates("budget")
        budgets = [str(b) for b in heads["budget"]]
        ranked: list[tuple[tuple[float, float], tuple[str, list[str], str, str]]] = []
        for recipe, own in dice.groupby("recipe", sort=False):
            by_budget = {str(b): (m, s) for b, m, s in zip(own["budget"], own["mean"], own["sd"], strict=True)}
            cells = [_cell(*by_budget[b]) if b in by_budget else NOTHING for b in budgets]
            area = (float(areas["mean"][recipe]), float(areas["sd"][recipe])) if recipe in areas.index else None
            seeds = sorted({int(n) for n in own["seeds"]})
            name = f"{recipe} (reads ground truth)" if str(recipe).startswith("oracle_") else str(recipe)
            last = float(own["mean"].iloc[-1])
            count = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]}-{seeds[-1]}"
            whole = NOTHING if area is None else _cell(*area)
            ranked.append(((-1.0 if area is None else area[0], last), (name, cells, whole, count)))
        ranked.sort(key=lambda entry: entry[0], reverse=True)
        origin = (origins or {}).get((str(dataset), str(annotation)))
        kind = f"{annotation} ({origin})" if origin else annotation
        title = f"{dataset}, {kind}" + ("" if schedule == "default" else f", budgets {schedule}")
        columns = [f"{b} ({n} slices)" for b, n in zip(budgets, heads["labelled"], strict=True)]
        yield Panel(title, columns, [row for _, row in ranked])


def _cell(mean: float, sd: float) -> str:
    return f"{mean:.3f} ± {NOTHING if math.isnan(sd) else f'{sd:.3f}'}"


def terminal(results: Results) -> Group:
    """The panels, the failed runs and the unfinished ones, for a rich console."""
    parts: list[Any] = []
    for panel in panels(comparison(results), results.origins):
        counts = {seeds for *_, seeds in panel.rows}
        same = len(counts) == 1  # then the title tells, and the table fits 80 columns
        title = f"Test Dice, mean ± sd over {f'{counts.pop()} seed(s)' if same else 'seeds'}: {panel.title}"
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("recipe")
        for head in [*panel.budgets, "AUBC", *([] if same else ["seeds"])]:
            table.add_column(head.replace(" (", "\n("), justify="right", no_wrap=True)
        for recipe, cells, area, seeds in panel.rows:
            table.add_row(recipe, *cells, area, *([] if same else [seeds]))
        parts.append(table)
    parts += [Text(line) for line in _missing(results)]
    return Group(*parts)


def _missing(results: Results) -> list[str]:
    lines = [f"failed: {key}: {reason}" for key, reason in results.failed.items()]
    if results.unfinished:
        lines.append(f"not finished: {', '.join(results.unfinished)}")
    return lines


def markdown(results: Results, table: pd.DataFrame) -> str:
    """The panels, what is missing, and the long table."""
    lines = [f"# {results.name}", ""]
    for panel in panels(table, results.origins):
        lines += [f"## {panel.title}", "", "Test Dice, mean ± sd over seeds; AUBC: area under the budget curve.", ""]
        body = [[name, *cells, area, seeds] for name, cells, area, seeds in panel.rows]
        lines += [*_pipes(["recipe", *panel.budgets, "AUBC", "seeds"], body), ""]
    missing = _missing(results)
    if missing:
        lines += ["## Missing runs", "", *(f"- {line}" for line in missing), ""]
    lines += ["## All metrics", "", LEGEND, "", *_pipes(COLUMNS, _texts(table)), ""]
    return "\n".join([*lines, *_appendix(results)])


def _texts(table: pd.DataFrame) -> list[list[str]]:
    def text(value: Any) -> str:
        if isinstance(value, float):
            return NOTHING if math.isnan(value) else f"{value:.4f}"
        return str(value)

    return [[text(value) for value in row] for row in table.astype(object).itertuples(index=False)]


def timing(results: Results) -> pd.DataFrame:
    """Mean seconds of a round's parts, one row a setting and recipe; columns SETTING, recipe, <part>..., rounds.

    An embedding that another run had left in the store costs only the time to read it. A first round that was shared
    with other recipes counts with the time its training took, whichever of them trained.
    """
    seconds = results.seconds
    rows = seconds.pivot_table("seconds", [*SETTING, "recipe"], "part", aggfunc="mean", sort=False)
    rows = rows[[part for part in PARTS if part in rows] + [part for part in rows if part not in PARTS]]
    rows["rounds"] = seconds.groupby([*SETTING, "recipe"], sort=False)[["key", "round"]].apply(
        lambda part: len(part.drop_duplicates())
    )
    table = rows.reset_index().rename_axis(columns=None)
    order = {recipe: i for i, recipe in enumerate(results.recipes)}
    return table.sort_values([*SETTING, "recipe"], key=lambda c: c.map(order) if c.name == "recipe" else c)


def _appendix(results: Results) -> list[str]:
    """Time, encoder weights and citations."""
    lines: list[str] = []
    if len(results.seconds):
        table = timing(results)
        body = [[_seconds(value) for value in row] for row in table.astype(object).itertuples(index=False)]
        lines += ["## Time", "", TIME, ""]
        lines += [*_pipes(list(table.columns), body), ""]
        if results.peak_mb is not None:
            lines += [f"Most memory that a worker process was resident in, over its runs: {results.peak_mb} MB.", ""]
    if results.weights:
        lines += ["## Encoder weights", "", *(f"- {recipe}: {init}" for recipe, init in results.weights.items()), ""]
    if results.sources:
        lines += ["## What to cite", "", *(f"- {name}: {text}" for name, text in results.sources.items()), ""]
    return lines


def _seconds(value: Any) -> str:
    return (NOTHING if math.isnan(value) else f"{value:.2f}") if isinstance(value, float) else str(value)


def _pipes(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    rows = [head, ["---"] * len(head), *body]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def tex(table: pd.DataFrame) -> str:
    """The long table as a booktabs tabular."""

    def escaped(cells: Sequence[str]) -> str:
        marks = {"_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", NOTHING: "--"}
        return " & ".join("".join(marks.get(sign, sign) for sign in cell) for cell in cells) + r" \\"

    head = [r"\begin{tabular}{" + "l" * 5 + "rlrrr}", r"\toprule", escaped(COLUMNS), r"\midrule"]
    return "\n".join([*head, *map(escaped, _texts(table)), r"\bottomrule", r"\end{tabular}", ""])
