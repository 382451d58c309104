"""What may be compared across two sides, and why not: as a report that merges them, but for the key of scans.

A report keeps runs apart whose prepared data have other keys. The key depends on the bytes of the files, which
compressing them again changes: here, and on the leaderboard, volumes and numbers of slices decide about scans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from bench.diff.pairs import Pair, shared
from bench.diff.settings import RECIPES, Difference
from bench.report.runs.copies import apart
from bench.report.runs.run import Run
from bench.report.setting import enumerated, title

SAME = "same data, split, annotation, budgets, training and evaluation"
"""What runs share that may be compared."""
OTHER_KEY = (
    "the keys of the data differ, as they do for files with other content, or compressed again; volumes, split "
    "and numbers of slices are the same"
)
MOST = 3
"""Most reasons of a verdict, and most names of one."""


@dataclass(frozen=True)
class Verdict:
    """Whether the results of two sides may be compared."""

    comparable: Literal["yes", "in part", "no"]
    """Whether all, some or none of what both have may be."""
    text: str
    """The same in one sentence, with the first reasons."""


def reason(pair: Pair) -> str | None:
    """Return why the runs of a pair must not be compared; None if they may. Both sides must have started runs."""
    if not pair.one_setting:
        parts = ("dataset", "annotation", "schedule of budgets")
        both = zip(parts, *(setting or () for setting in pair.settings), strict=True)
        told = [f"another {part} ({ours}, and {theirs})" for part, ours, theirs in both if ours != theirs]
        return " and ".join(told)
    if pair.recipe:
        return apart(*pair.first)
    found = [apart(ours, theirs) for ours, theirs in product(*map(_recipes, pair.runs))]
    return None if None in found else found[0]


def _other_key(pair: Pair) -> bool:
    """Return whether nothing but their keys says that the scans of a comparable pair differ."""
    ours, theirs = pair.first
    return ours.data_key != theirs.data_key


def verdict(pairs: Sequence[Pair], differences: Sequence[Difference]) -> Verdict:
    """Return what of two sides may be compared. differences: settings that differ in what both have."""
    both = shared(pairs)
    answers = [(name, reason(pair)) for name, pair in both]
    if not answers:
        found = ([setting for pair in pairs if (setting := pair.settings[i]) is not None] for i in (0, 1))
        ours, theirs = (enumerated(list(dict.fromkeys(map(title, some))), MOST) for some in found)
        return Verdict("no", f"Not comparable: no setting was run in both; A has {ours}, B has {theirs}.")
    kept_apart = {where: why for where, why in answers if why is not None}
    reasons = dict.fromkeys(kept_apart.values())
    told = "; ".join(f"{why}{_where(kept_apart, why, len(answers))}" for why in list(reasons)[:MOST])
    more = f"; and {len(reasons) - MOST} more reasons" if len(reasons) > MOST else ""
    if len(kept_apart) == len(answers):
        return Verdict("no", f"Not comparable: {told}{more}{_first(pairs, differences)}.")
    if kept_apart:
        count = f"{len(answers) - len(kept_apart)} of {len(answers)} that both have"
        return Verdict("in part", f"Comparable in part, {count}; not so: {told}{more}{_first(pairs, differences)}.")
    doubt = f", if the scans are the same: {OTHER_KEY}" if any(_other_key(pair) for _, pair in both) else f": {SAME}"
    changed = [where for one in differences if one.group == RECIPES for where in one.where or ("every recipe",)]
    other = f"; with other settings of {enumerated(list(dict.fromkeys(changed)), MOST)}" if changed else ""
    return Verdict("yes", f"Comparable{doubt}{other}.")


def _recipes(runs: Sequence[Run]) -> list[Run]:
    """Return the first started run of each recipe."""
    found: dict[str, Run] = {}
    for run in runs:
        if run.config is not None:
            found.setdefault(run.recipe, run)
    return list(found.values())


def _first(pairs: Sequence[Pair], differences: Sequence[Difference]) -> str:
    """Return the first setting for which runs of one setting are kept apart, with both values."""
    own = [one for one in differences if one.matters and one.group != RECIPES]
    if not own or not all(pair.one_setting for pair in pairs):
        return ""
    return f", such as {own[0].path}, {own[0].left} and {own[0].right}"


def _where(apart: dict[str, str], why: str, count: int) -> str:
    """Return which recipes a reason is about, unless it is about all."""
    names = [where for where, other in apart.items() if other == why]
    return "" if len(names) == count else f" ({enumerated(names, MOST)})"
