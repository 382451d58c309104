"""Everything that two sides have in common and apart."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.diff.comparable import Verdict, verdict
from bench.diff.pairs import Pair, pairs
from bench.diff.reproduced import Again, again, sentence
from bench.diff.scores import Row, rows
from bench.diff.settings import Difference, differences
from bench.diff.side import Side
from bench.report.setting import enumerated, title
from bench.terminal.study_summary import ranges

MOST = 6
"""Most recipes that are named together."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two sides, A and B, beside one another."""

    sides: tuple[Side, Side]
    """A and B."""

    @cached_property
    def _pairs(self) -> list[Pair]:
        return pairs(*self.sides)

    @cached_property
    def differences(self) -> list[Difference]:
        """Settings, versions and machines that differ."""
        return differences(self._pairs, *self.sides)

    @cached_property
    def verdict(self) -> Verdict:
        """Whether the results of both may be compared."""
        return verdict(self._pairs, self.differences)

    @cached_property
    def only(self) -> tuple[list[str], list[str]]:
        """Recipes, seeds and rounds that only A, and only B, has."""
        return _only(self._pairs, 0), _only(self._pairs, 1)

    @cached_property
    def rows(self) -> list[Row]:
        """Scores of every recipe."""
        return rows(self._pairs, *self.sides)

    @cached_property
    def again(self) -> list[Again]:
        """Runs that both have."""
        return again(self._pairs)

    @property
    def same(self) -> bool:
        """Whether nothing that matters differs: no setting, no run, no pick and no Dice to three decimals."""
        return (
            self.verdict.comparable == "yes"
            and not any(difference.matters for difference in self.differences)
            and not any(self.only)
            and all(run.reproduced for run in self.again)
        )

    def plain(self) -> dict[str, Any]:
        """Return the comparison as plain data; what is not known is None."""
        left, right = self.sides
        return {
            "a": _side(left),
            "b": _side(right),
            "same": self.same,
            "comparable": self.verdict.comparable,
            "verdict": self.verdict.text,
            "differences": [_plain(one) | {"matters": one.matters} for one in self.differences],
            "only_a": self.only[0],
            "only_b": self.only[1],
            "results": [_plain(row) for row in self.rows],
            "again": {
                "summary": sentence(self.again),
                "runs": [_plain(run) | {"same": run.same} for run in self.again],
            },
        }


def _only(found: Sequence[Pair], side: int) -> list[str]:
    """Return the recipes, seeds and rounds that one side alone has, a line for each set of seeds of a setting."""
    recipes: dict[tuple[str, str], list[str]] = {}
    for pair in found:
        if (own := pair.settings[side]) is None:
            continue
        others = {run.seed: len(run.records) for run in pair.runs[1 - side]}
        lacking: dict[int, list[int]] = {}  # rounds on the other side -> seeds
        for run in pair.runs[side]:
            if len(run.records) > (done := others.get(run.seed, 0)):
                lacking.setdefault(done, []).append(run.seed)
        for done, seeds in lacking.items():
            text = f"seed{'s' * (len(seeds) > 1)} {ranges(sorted(seeds))}" + (
                f" from round {done + 1} on" if done else ""
            )
            recipes.setdefault((title(own), text), []).append(pair.recipe)
    return [f"{enumerated(names, MOST)} ({where}): {text}" for (where, text), names in recipes.items()]


def _plain(value: Any) -> dict[str, Any]:
    return {name: _number(inner) for name, inner in dataclasses.asdict(value).items()}


def _number(value: Any) -> Any:
    """Return a value with None in the place of NaN, as JSON has it."""
    if isinstance(value, tuple):
        return [_number(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _side(side: Side) -> dict[str, Any]:
    runs = side.runs
    return {
        "path": str(side.path),
        "studies": side.results.name,
        "runs": len(runs),
        "finished": sum(run.finished for run in runs),
        "notes": [*side.results.notes, *side.results.problems],
    }
