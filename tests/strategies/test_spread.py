"""References that spread their slices stay well spread over the rounds of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from alseg_core.data.slices import SliceTable
from alseg_core.strategies import STRATEGIES
from tests.strategies.conftest import make_view

DEPTHS = {6: 6, 7: 14, 8: 34, 9: 36, 10: 58, 11: 6, 12: 2, 13: 2, 14: 2}
"""Number of volumes of each depth among the 160 training volumes of ACDC."""

SCHEDULES = [
    (0.01, 0.02, 0.03, 0.04, 0.05, 0.10, 0.15, 0.20, 0.40),
    (0.10, 0.20, 0.30, 0.40),
    (0.01, 0.02, 0.03, 0.04, 0.05),
]
"""Published budgets."""


@dataclasses.dataclass
class Geometry:
    """A view of positions alone."""

    table: SliceTable
    labelled: np.ndarray
    unlabelled: np.ndarray


def acdc_shaped() -> SliceTable:
    depths = np.random.default_rng(0).permutation(np.repeat(list(DEPTHS), list(DEPTHS.values())))
    assert depths.sum() == 1454
    volumes = range(len(depths))
    return SliceTable(
        cases=tuple(f"case{v}" for v in volumes),
        patients=tuple(f"patient{v // 2}" for v in volumes),
        volume=np.repeat(volumes, depths),
        z=np.concatenate([np.arange(depth) for depth in depths]),
    )


TABLE = acdc_shaped()


def annotated(name: str, schedule: tuple[float, ...], seed: int) -> np.ndarray:
    """Run the schedule and return the positions annotated at its end."""
    rng, everything = np.random.default_rng(seed), np.arange(len(TABLE))
    labelled = everything[:0]
    for fraction in schedule:
        view = Geometry(TABLE, labelled, np.setdiff1d(everything, labelled))
        picks = STRATEGIES.build(name).select(view, int(fraction * len(TABLE)) - len(labelled), rng)  # type: ignore[arg-type]
        labelled = np.sort(np.concatenate([labelled, picks.positions]))
    assert len(np.unique(labelled)) == int(schedule[-1] * len(TABLE))
    return labelled


def distance(labelled: np.ndarray) -> float:
    """Mean distance in slices to the nearest annotated slice of the same volume, over volumes with one."""
    distances: list[int] = []
    for volume in range(len(TABLE.cases)):
        places = [int(TABLE.z[p]) for p in labelled if TABLE.volume[p] == volume]
        if places:
            distances += [min(abs(z - place) for place in places) for z in range(int(TABLE.depth[volume]))]
    return float(np.mean(distances))


def imbalance(labelled: np.ndarray) -> float:
    """Largest difference between the shares of the pool and of the annotated slices below any height."""
    heights = np.unique(TABLE.relative_z)
    below = [(TABLE.relative_z[rows][:, None] <= heights).mean(axis=0) for rows in (np.arange(len(TABLE)), labelled)]
    return float(np.abs(below[0] - below[1]).max())


def mean_of(measure: Callable[[np.ndarray], float], name: str, schedule: tuple[float, ...]) -> float:
    return float(np.mean([measure(annotated(name, schedule, seed)) for seed in range(6)]))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_strided_lies_as_evenly_after_many_rounds_as_after_one(schedule: tuple[float, ...]) -> None:
    rounds, once, chance = (
        mean_of(distance, name, budgets)
        for name, budgets in (("strided", schedule), ("strided", schedule[-1:]), ("random", schedule[-1:]))
    )
    assert rounds < 1.05 * once
    if schedule[-1] == 0.40:  # volumes have one slice at most at 5 %
        assert rounds < 0.75 * chance


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_stratified_is_as_balanced_after_many_rounds_as_after_one(schedule: tuple[float, ...]) -> None:
    rounds, once, chance = (
        mean_of(imbalance, name, budgets)
        for name, budgets in (("stratified", schedule), ("stratified", schedule[-1:]), ("random", schedule[-1:]))
    )
    assert rounds < 1.6 * once
    assert rounds < 0.3 * chance


def test_strided_gives_no_volume_a_second_slice_before_all_have_one() -> None:
    for schedule in SCHEDULES:
        counts = np.bincount(TABLE.volume[annotated("strided", schedule, 0)], minlength=len(TABLE.cases))
        assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("each", [1, 2, 4, 100])
def test_strided_volume_by_volume_begins_none_before_the_last_has_its_share(each: int) -> None:
    everything, rng = np.arange(len(TABLE)), np.random.default_rng(0)
    strategy = STRATEGIES.build({"name": "strided", "per_volume": each})
    labelled = everything[:0]
    for budget in (29, 43, 73):
        view = Geometry(TABLE, labelled, np.setdiff1d(everything, labelled))
        picks = strategy.select(view, budget, rng).positions  # type: ignore[arg-type]
        assert len(np.unique(picks)) == budget and not np.isin(picks, labelled).any()
        labelled = np.sort(np.concatenate([labelled, picks]))
        counts = np.bincount(TABLE.volume[labelled], minlength=len(TABLE.cases))
        begun = counts[counts > 0]
        if len(labelled) <= each * 60:  # while there are volumes left to begin
            assert (begun < np.minimum(each, TABLE.depth[counts > 0])).sum() <= 1
    if each == 100:  # whole volumes
        whole = counts[counts > 0] == TABLE.depth[counts > 0]
        assert whole.sum() >= whole.size - 1
    if each == 1:
        assert counts.max() == 1
    if each == 4:  # and these are spread over the volume
        deep = [v for v in range(len(TABLE.cases)) if counts[v] == 4 and TABLE.depth[v] == 10]
        gaps = [np.diff(TABLE.z[labelled[TABLE.volume[labelled] == v]]) for v in deep]
        assert deep and all((gap >= 2).all() and (gap <= 3).all() for gap in gaps)


def test_strided_volume_by_volume_goes_round_again_where_all_have_their_share() -> None:
    everything, rng = np.arange(len(TABLE)), np.random.default_rng(0)
    view = Geometry(TABLE, everything[:0], everything)
    picks = STRATEGIES.build({"name": "strided", "per_volume": 2}).select(view, 500, rng).positions  # type: ignore[arg-type]
    counts = np.bincount(TABLE.volume[picks], minlength=len(TABLE.cases))
    assert len(np.unique(picks)) == 500 and set(counts.tolist()) <= {2, 3, 4}
    assert (counts == 3).sum() <= 1


def next_picks(name: str, depth: int, given: list[int], budget: int) -> set[tuple[int, ...]]:
    """Return the sets of slices that a strategy picks in one volume with the ``given`` slices, over many seeds."""
    view = make_view(depths=(depth,), labelled=0)
    slices = view.table.of_volume(0)
    view.labelled = slices[given]
    draws = [STRATEGIES.build(name).select(view, budget, np.random.default_rng(seed)).positions for seed in range(40)]
    return {tuple(sorted(view.table.z[draw].tolist())) for draw in draws}


@pytest.mark.parametrize(
    ("depth", "given", "budget", "expected"),
    [
        (11, [0, 10], 1, {(5,)}),
        (12, [0, 11], 1, {(5,), (6,)}),
        (10, [0, 9], 2, {(3, 6)}),
        (13, [0, 8, 12], 2, {(4, 10), (3, 5)}),  # after slice 4, gaps of 4 everywhere: or 8 in three parts
        (
            15,
            [7],
            2,
            {(2, 12)},
        ),  # an end gap of 7 slices is near to one slice only: 5 steps from 7, and 2 to the border
        (9, [0], 1, {(6,)}),  # one step beyond the middle, for the same reason
        (9, [0, 1, 2, 3], 1, {(7,)}),
        (5, [0, 1, 3, 4], 1, {(2,)}),
        (6, [3], 5, {(0, 1, 2, 4, 5)}),
    ],
)
def test_a_slice_goes_into_the_largest_gap(
    depth: int, given: list[int], budget: int, expected: set[tuple[int, ...]]
) -> None:
    assert next_picks("strided", depth, given, budget) == expected


def test_stratified_fills_the_empty_half() -> None:
    view = make_view(depths=(10,) * 6, labelled=0)
    view.labelled = view.unlabelled[view.table.relative_z[view.unlabelled] < 0.5][::6]
    count = len(view.labelled)
    picks = STRATEGIES.build("stratified").select(view, count, np.random.default_rng(0)).positions
    assert (view.table.relative_z[picks] > 0.5).all()
    assert np.sort(np.floor((view.table.relative_z[picks] - 0.5) * 2 * count)).tolist() == list(range(count))
