"""Whether runs that both sides have picked the same slices and got the same scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alseg_core.metrics.metric import DICE
from alseg_core.vocabulary import RoundRecord
from bench.diff.pairs import Pair
from bench.report.runs.run import Run
from bench.report.setting import Setting
from bench.report.statistics.marks import VISIBLE


@dataclass(frozen=True)
class Again:
    """One run on both sides, as far as both have its rounds."""

    setting: Setting
    """Its setting."""
    recipe: str
    """Its recipe."""
    seed: int
    """Its seed."""
    budgets: tuple[int | float, ...]
    """Budget of each round."""
    picks: tuple[float, ...]
    """Share of equal picks of each round, 0..1."""
    dice: tuple[float | None, ...]
    """B - A of the mean Dice of each round; None where a side has none."""

    @property
    def same(self) -> bool:
        """Whether all picks are equal."""
        return all(share == 1 for share in self.picks)

    @property
    def reproduced(self) -> bool:
        """Whether all picks, and Dice to three decimals, are equal."""
        return self.same and self.largest[0] < VISIBLE

    @property
    def largest(self) -> tuple[float, int]:
        """Largest difference of Dice without its sign, and its round; (0, 0) where no Dice is known."""
        known = [(abs(value), i) for i, value in enumerate(self.dice) if value is not None]
        return max(known, key=lambda pair: pair[0], default=(0.0, 0))


def again(pairs: Sequence[Pair]) -> list[Again]:
    """Return the runs of one setting, recipe and seed with rounds on both sides that pick from the same volumes."""
    return [
        _again(ours, theirs)
        for pair in pairs
        if pair.one_setting
        for ours, theirs in pair.seeds.values()
        if ours.records and theirs.records and _pool(ours) == _pool(theirs)
    ]


def sentence(runs: Sequence[Again]) -> str:
    """Return in one sentence how many runs have the same picks, and the largest difference of their scores."""
    if not runs:
        return "No picks to compare: no run of one setting, recipe and seed picks from the same volumes in both."
    same = sum(run.same for run in runs)
    worst = max(runs, key=lambda run: run.largest[0])
    value, number = worst.largest
    where = f" ({worst.recipe}, seed {worst.seed}, round {number + 1})" if value >= VISIBLE else ""
    return f"Same picks in {same} of {len(runs)} runs; largest difference in Dice {value:.3f}{where}."


def _again(ours: Run, theirs: Run) -> Again:
    rounds = list(zip(ours.records, theirs.records, strict=False))
    return Again(
        ours.setting,
        ours.recipe,
        ours.seed,
        ours.budgets[: len(rounds)],
        tuple(_share(*pair) for pair in rounds),
        tuple(_difference(*pair) for pair in rounds),
    )


def _pool(run: Run) -> Any:
    return run.environment.get("data", {}).get("cases", {}).get("train")


def _share(ours: RoundRecord, theirs: RoundRecord) -> float:
    """Return the share of picks that two rounds have in common, whatever their order."""
    left, right = ({(pick["case"], pick["z"]) for pick in record.selected} for record in (ours, theirs))
    return len(left & right) / max(len(left), len(right), 1)


def _difference(ours: RoundRecord, theirs: RoundRecord) -> float | None:
    left, right = (record.summary.get(DICE.name) for record in (ours, theirs))
    return None if left is None or right is None else right - left
