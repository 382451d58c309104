"""The finding of a setting in one plain sentence, and what to do next in another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from alseg_core.errors import plural
from bench.report.analysis import CLAIM, Analysis
from bench.report.compared import alone, baseline, controls, few, only_controls, planned, powers, score, untested
from bench.report.controls import controls_verdict
from bench.report.numbers import NO_SPREAD, chance, signed, span
from bench.report.runs.results import Results
from bench.report.setting import SETTING, Setting, rows_of
from bench.report.statistics.paired import ALPHA
from bench.report.tables.main_table import each
from bench.study.rerun import doubt, kept_seeds, with_seeds

MOST_NAMES = 3
"""Most recipes that a headline names on either side of the baseline."""
OPENINGS = ("No ", "One ", "This ")
"""First words of findings that begin with no name."""
ENOUGH_SEEDS = 5
"""Seeds that a report with fewer than three asks for."""


def headline(results: Results, analysis: Analysis, setting: Setting) -> str:
    """Return what the planned tests of a setting found, or why nothing can be said, in one plain sentence."""
    runs = rows_of(results.runs, setting)
    missing = int((runs["state"] != "finished").sum())
    found = _finding(results, analysis, setting)
    if not missing:
        return found
    inner = found[0].lower() + found[1:] if found.startswith(OPENINGS) else found  # names keep their first letter
    return f"So far, with {missing} of {len(runs)} runs missing: {inner}"


def next_step(results: Results, analysis: Analysis, setting: Setting, own: bool = False) -> str:
    """Return the seeds that a claim needs and the command that adds them, or the one that runs what is missing.

    Finished runs are kept. "" where nothing is compared, or only controls. own: whether the reader has just given the
    commands, so that no file or class in them needs a warning.
    """
    step = _step(results, analysis, setting)
    commands = results.commands.get(setting, [])
    return f"{step.removesuffix('.')}{doubt(commands)}." if "`" in step and not own else step


def _step(results: Results, analysis: Analysis, setting: Setting) -> str:
    runs = rows_of(results.runs, setting)
    seeds = sorted({int(seed) for seed in runs["seed"]})
    if alone(analysis, setting) or only_controls(results, analysis, setting):
        return ""
    if missing := int((runs["state"] != "finished").sum()):
        which = "the missing run" if missing == 1 else f"the {missing} missing runs"
        again = _commands(results, setting, seeds, len(seeds)) or ["the same command, started again,"]
        return f"Next: {_does(again, 'run', which)}"
    if few(analysis, setting):
        return _more(results, setting, seeds, max(ENOUGH_SEEDS, len(seeds)), "could tell")
    lacking = [recipe for recipe, common in untested(results, analysis, setting).items() if common < 2]
    if lacking:
        named = _joined(lacking[:MOST_NAMES], len(lacking[MOST_NAMES:]))
        return _more(results, setting, seeds, len(seeds), f"of {named} could tell")
    tests = planned(analysis, setting)
    if tests.empty or _spread(analysis, setting) < NO_SPREAD:
        return ""
    needed = float(powers(analysis, setting)["seeds_needed_02_holm"].median())
    claim = f"a difference of {CLAIM:g} in {score(analysis, setting)}"
    if math.isnan(needed):
        return ""
    if math.isinf(needed):
        return f"Next: seeds differ too much to show {claim}, even with 1,000 of them; train longer or label more."
    if needed <= tests["seeds"].min():
        return f"These {span(tests['seeds'])} seeds suffice to show {claim}."
    return _more(results, setting, seeds, math.ceil(needed), f"would be needed to show {claim}", about=True)


def _finding(results: Results, analysis: Analysis, setting: Setting) -> str:
    base, name = baseline(analysis, setting), score(analysis, setting)
    if alone(analysis, setting):
        return f"This study has no recipe to compare with {base!r}."
    if only_controls(results, analysis, setting):
        return controls_verdict(results, analysis, setting)
    if few(analysis, setting):
        seeds = int(rows_of(analysis.cells, setting)["seeds"].max())
        count = "One seed" if seeds == 1 else f"{seeds} seeds"
        return f"{count} cannot tell whether any recipe differs from {f'{base} in {name}' if name else 'another'}."
    if not name:
        return f"No comparison was planned here, such as one with {base!r}, so no recipe is judged."
    tests = planned(analysis, setting)
    if tests.empty:
        return f"No recipe can be compared with {base} in {name}: none has two complete seeds that differ from it."
    noun = "other recipe" if controls(results, setting) else "recipe"
    found = tests[tests["p_holm"] < ALPHA]
    left = _left(untested(results, analysis, setting))
    if found.empty:
        over = f"with {span(tests['seeds'])} seeds"
        return f"No {noun} differs from {base} in {name} {over}; {_visible(analysis, setting)}{left}."
    rest = "; no other recipe differs from it" if len(found) < len(tests) else ""
    return f"{_found(found, base, name)}{rest}{left}."


def _left(untested: Mapping[str, int]) -> str:
    """Return which recipes are not tested, and why, to be added to a sentence; "" for none."""
    if not untested:
        return ""
    why = {0: "no complete seed in common", 1: "1 seed in common"}
    named = [f"{recipe} ({why.get(common, 'equal in every seed')})" for recipe, common in untested.items()]
    verb = "is" if len(named) == 1 else "are"
    return f"; {_joined(named[:MOST_NAMES], len(named[MOST_NAMES:]))} {verb} not tested"


def _spread(analysis: Analysis, setting: Setting) -> float:
    """Return the difference in the score that the planned tests detect, a measure of the spread between seeds."""
    return float(powers(analysis, setting)["detectable_holm"].median())


def _visible(analysis: Analysis, setting: Setting) -> str:
    """Return which differences would have been seen."""
    smallest = _spread(analysis, setting)
    if smallest < NO_SPREAD:
        return "there is no spread between seeds to judge by"
    if not smallest <= 1:
        return "seeds differ so much that no difference would have shown reliably"
    return f"differences above {smallest:.3f} would most likely have shown"


def _found(found: pd.DataFrame, base: str, name: str) -> str:
    """Return who beats the baseline and who loses to it, such as "coreset beats random (+0.046 AUBC, ...)"."""
    ahead = found["difference"] > 0
    parts: list[str] = []
    for rows, one, many in ((found[ahead], "beats", "beat"), (found[~ahead].iloc[::-1], "loses to", "lose to")):
        if rows.empty:
            continue
        whom, unit = ("it", None) if parts else (base, name)
        details = [_details(row, unit if not i else None) for i, row in enumerate(each(rows.head(MOST_NAMES)))]
        recipes = list(rows["recipe"])
        if len(recipes) == 1:
            parts.append(f"{recipes[0]} {one} {whom} {details[0]}")
        else:
            named = [f"{recipe} {detail}" for recipe, detail in zip(recipes, details, strict=False)]
            parts.append(f"{_joined(named, len(recipes) - len(named))} {many} {whom}")
    return "; ".join(parts)


def _details(row: Any, unit: str | None) -> str:
    """Return difference and p-value in brackets, with unit and seeds where a unit is given."""
    parts = [signed(row.difference) + (f" {unit}" if unit else ""), chance(row.p_holm)]
    parts += [f"{row.seeds} seeds"] if unit else []
    parts += ["on these patients only"] if row.low <= 0 <= row.high else []
    return f"({', '.join(parts)})"


def _joined(names: Sequence[str], more: int) -> str:
    """Return "a, b and c", or "a, b, c and 2 more"."""
    *most, last = [*names, f"{more} more"] if more else names
    return f"{', '.join(most)} and {last}" if most else last


def _more(results: Results, setting: Setting, seeds: list[int], wanted: int, what: str, about: bool = False) -> str:
    """Return a sentence on the seeds that are wanted, and the command that adds their runs."""
    commands = _commands(results, setting, seeds, wanted) or [f"running the study again with {plural(wanted, 'seed')}"]
    count = f"{'about ' if about else ''}{plural(wanted, 'seed')}"
    runs = plural(_added(results, setting, kept_seeds(seeds, wanted)), "run")
    return f"Next: {count} {what}; {_does(commands, 'add', runs)}"


def _added(results: Results, setting: Setting, seeds: Sequence[int]) -> int:
    """Return how many runs the studies of a setting lack for all of their recipes to have the seeds."""
    runs = results.runs
    own = runs[runs["study"].isin(set(rows_of(runs, setting)["study"]))]
    each_seed = own.drop_duplicates([*SETTING, "recipe"])
    present = own[own["seed"].isin(seeds)].drop_duplicates([*SETTING, "recipe", "seed"])
    return len(each_seed) * len(seeds) - len(present)


def _commands(results: Results, setting: Setting, seeds: Sequence[int], wanted: int) -> list[str]:
    return [f"`{with_seeds(command, seeds, wanted)}`" for command in results.commands.get(setting, [])]


def _does(commands: Sequence[str], verb: str, what: str) -> str:
    """Return what one or several commands do, such as "`make bench` adds 2 runs and keeps the finished ones."."""
    s = "s" if len(commands) == 1 else ""
    return f"{' and '.join(commands)} {verb}{s} {what} and keep{s} the finished ones."
