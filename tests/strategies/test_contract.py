"""What every registered strategy must do, whatever it is."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from alseg_core.pool import Pool
from alseg_core.strategies import STRATEGIES
from alseg_core.vocabulary import Annotation
from tests.strategies.conftest import make_view

ALL = sorted(STRATEGIES)


def pool_of(view) -> Pool:  # type: ignore[no-untyped-def]
    pool = Pool(len(view.table))
    if len(view.labelled):
        pool.add(Annotation(view.labelled, np.zeros((len(view.labelled), 8, 8), dtype=np.uint8), 1.0), 0)
    return pool


@pytest.mark.parametrize("labelled", [0, 6, 20])
@pytest.mark.parametrize("name", ALL)
def test_exactly_the_budget_distinct_and_unlabelled(name: str, labelled: int) -> None:
    view = make_view(labelled=labelled)
    for budget in (1, 3):
        selection = STRATEGIES.build(name).select(view, budget, np.random.default_rng(0))
        assert selection.positions.dtype == np.int64
        pool_of(view).check(selection, budget)


@pytest.mark.parametrize("name", ALL)
def test_down_to_the_last_slice(name: str) -> None:
    view = make_view(labelled=22)
    selection = STRATEGIES.build(name).select(view, 1, np.random.default_rng(0))
    assert selection.positions.tolist() == view.unlabelled.tolist()
    whole = make_view(labelled=0)
    everything = STRATEGIES.build(name).select(whole, 23, np.random.default_rng(0))
    assert sorted(everything.positions) == list(range(23))


@pytest.mark.parametrize("name", ALL)
def test_one_slice_volumes_and_equal_features(name: str) -> None:
    view = make_view(depths=(1,) * 9, labelled=2)
    view.features[:] = 1
    view.members[:] = 1 / 3
    pool_of(view).check(STRATEGIES.build(name).select(view, 4, np.random.default_rng(0)), 4)


@pytest.mark.parametrize("name", ALL)
def test_same_seed_same_picks_and_survives_the_way_to_a_worker(name: str) -> None:
    strategy = STRATEGIES.build(name)
    picks = [
        s.select(make_view(), 4, np.random.default_rng(7)).positions.tolist()
        for s in (strategy, strategy, pickle.loads(pickle.dumps(strategy)))
    ]
    assert picks[0] == picks[1] == picks[2]


@pytest.mark.parametrize("name", [n for n in ALL if not STRATEGIES[n].reads_ground_truth])
def test_blind_to_ground_truth(name: str) -> None:
    view, other = make_view(), make_view()
    other.masks = np.random.default_rng(5).integers(0, 3, other.masks.shape).astype(np.uint8)
    blind = dataclasses.replace(other)
    del blind.masks
    picks = [
        STRATEGIES.build(name).select(v, 4, np.random.default_rng(1)).positions.tolist() for v in (view, other, blind)
    ]
    assert picks[0] == picks[1] == picks[2]


@pytest.mark.parametrize("name", ALL)
def test_references_are_named_so(name: str) -> None:
    assert STRATEGIES[name].reads_ground_truth == name.startswith("oracle_")
