"""Random picks follow from the seed alone, so they are drawn again, without any data.

A draw gives positions in the pool, and a bundle has cases and slices. The first slice of a case has one position in all
runs: every pick of a run tells one, and those of honest runs agree, in the order of the cases.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from alseg_core import seeding
from alseg_core.config import Recipe
from alseg_core.strategies.random import Random
from alseg_core.vocabulary import IntArray
from bench.bundle.finding import Finding, note
from bench.bundle.opened import Bundle, label
from bench.report.runs.run import Run


@dataclass(frozen=True)
class _Draw:
    """A random round, and where its picks put the first slices of their cases."""

    run: Run
    round: int
    starts: tuple[tuple[str, int], ...]
    """(case, position of its first slice) of each pick."""


def check(bundle: Bundle) -> Iterator[Finding]:
    """Yield rounds whose picks are not those that the seed of the run draws."""
    pools: dict[tuple[str, ...], list[_Draw]] = defaultdict(list)
    unknown = 0
    for run in bundle.started:
        recipe = bundle.loaded[run.key].recipe
        if recipe is None:
            unknown += 1
            continue
        pools[tuple(run.environment["data"]["cases"].get("train", ()))] += _draws(run, recipe)
    if unknown:
        yield note(f"whether {unknown} runs start at random is not known: this version cannot load their recipe")
    for cases, draws in pools.items():
        yield from _disagreeing(cases, draws)


def _draws(run: Run, recipe: Recipe) -> Iterator[_Draw]:
    """Draw the random rounds of a run again: all of the random baseline, the first of a recipe that needs a model."""
    slices = int(run.environment["data"]["slices"]["train"])
    rounds = len(run.records) if isinstance(recipe.strategy, Random) else int(recipe.starts_at_random)
    labelled = np.zeros(slices, dtype=bool)
    for record in run.records[:rounds]:
        left: IntArray = np.flatnonzero(~labelled).astype(np.int64)
        if len(record.selected) > len(left):
            return  # told by the check of picks
        drawn = Random.draw(left, len(record.selected), seeding.stream(run.seed, "strategy", record.round))
        labelled[drawn] = True
        starts = tuple(
            (str(pick["case"]), int(position) - int(str(pick["z"])))
            for position, pick in zip(drawn, record.selected, strict=True)
        )
        yield _Draw(run, record.round, starts)


def _disagreeing(cases: Sequence[str], draws: Sequence[_Draw]) -> Iterator[Finding]:
    """Yield the rounds that put cases elsewhere than most do, or not in their order."""
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    for draw in draws:
        for case, start in dict.fromkeys(draw.starts):  # a round has one vote
            votes[case][start] += 1
    place = {case: counts.most_common(1)[0][0] for case, counts in votes.items()}
    order = {case: number for number, case in enumerate(cases)}
    for draw in draws:
        where = f"{label(draw.run)}, round {draw.round + 1}"
        wrong = sum(place[case] != start for case, start in draw.starts)
        known = sorted((order[case], start) for case, start in set(draw.starts) if case in order)
        starts = [start for _, start in known]
        if wrong or starts != sorted(starts) or (known and known[0][0] == 0 and starts[0] != 0):
            yield Finding(f"{where}: its picks are not those that seed {draw.run.seed} draws at random")
