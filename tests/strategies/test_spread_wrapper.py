"""Strategy spread: limits on the picks of another strategy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alseg_core import loop
from alseg_core.config import RunConfig
from alseg_core.errors import ConfigError
from alseg_core.registry import component, describe
from alseg_core.store import Store
from alseg_core.strategies import STRATEGIES
from alseg_core.strategies.spread import Spread
from alseg_core.strategies.synthetic_view import SyntheticReferenceView
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection
from tests.strategies.conftest import make_view


@component
class ByFeature(Strategy):
    """The slices with the highest first feature."""

    paper: ClassVar[str] = "a test"
    needs_embedding: ClassVar[bool] = True
    ranks: ClassVar[bool] = True

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        scores = view.embedding()[view.unlabelled, 0].astype(float)
        order = np.argsort(-scores, kind="stable")[:budget]
        return Selection(view.unlabelled[order], scores[order])


@component
class ByFeatureAndBudget(ByFeature):
    """The same, said not to be a ranking; remembers what it was asked for."""

    ranks: ClassVar[bool] = False
    asked: ClassVar[list[int]] = []

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        self.asked.append(budget)
        return super().select(view, budget, rng)


def pool(depths: tuple[int, ...], scores: list[float], labelled: int = 0) -> SyntheticReferenceView:
    """Volumes whose slices, by volume and z, have these scores."""
    view = make_view(depths=depths, labelled=labelled)
    view.features[np.lexsort((view.table.z, view.table.volume)), 0] = scores
    return view


def places(view: SyntheticReferenceView, selection: Selection) -> list[tuple[int, int]]:
    return [(int(view.table.volume[p]), int(view.table.z[p])) for p in selection.positions]


def spread(view: SyntheticReferenceView, budget: int, of: Strategy | None = None, **limits: Any) -> Selection:
    return Spread(of=of or ByFeature(), **limits).select(view, budget, np.random.default_rng(0))


def test_neighbours_are_passed_over() -> None:
    view = pool((5, 4), [9, 8, 7, 1, 2, 6, 5, 4, 3])
    selection = spread(view, 4, gap=2)
    assert places(view, selection) == [(0, 0), (0, 2), (1, 0), (1, 2)]
    assert selection.scores is not None and selection.scores.tolist() == [9, 7, 6, 4]
    assert selection.facts == {}
    assert places(view, spread(view, 4, gap=1)) == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert places(view, spread(view, 3, gap=3)) == [(0, 0), (1, 0), (1, 3)]


def test_annotated_slices_keep_their_distance_too() -> None:
    view = pool((6,), [1, 9, 8, 7, 6, 5])
    view.labelled = view.table.of_volume(0)[[2]]
    assert places(view, spread(view, 2, gap=2)) == [(0, 4), (0, 0)]


def test_shares_of_volumes_and_patients() -> None:
    view = pool((4, 4, 4), list(range(12, 0, -1)))  # volumes 0 and 1 are of one patient
    assert places(view, spread(view, 3, gap=1, per_volume=1)) == [(0, 0), (1, 0), (2, 0)]
    assert places(view, spread(view, 4, gap=1, per_patient=2)) == [(0, 0), (0, 1), (2, 0), (2, 1)]
    both = spread(view, 4, gap=2, per_volume=2, per_patient=3)
    assert places(view, both) == [(0, 0), (0, 2), (1, 0), (2, 0)]


def test_the_gap_gives_way_first_and_the_record_says_so() -> None:
    view = pool((6,), [9, 8, 7, 6, 5, 4])
    selection = spread(view, 3, gap=4)  # 0 and 4; then 2 at a gap of 2
    assert places(view, selection) == [(0, 0), (0, 4), (0, 2)]
    assert selection.facts == {"spread": {"gap": 2}}


def test_a_share_gives_way_where_the_gap_does_not_help() -> None:
    view = pool((6, 1), [9, 8, 7, 6, 5, 4, 3])
    selection = spread(view, 3, gap=2, per_volume=1)
    assert places(view, selection) == [(0, 0), (1, 0), (0, 2)]  # the second of volume 0 still keeps the gap
    assert selection.facts == {"spread": {"per_volume": 2}}
    view = pool((2, 2), [9, 8, 7, 6])
    assert spread(view, 3, gap=1, per_patient=1).facts == {"spread": {"per_patient": 3}}
    assert spread(view, 4, gap=5, per_volume=1, per_patient=1).facts == {
        "spread": {"gap": 1, "per_volume": 2, "per_patient": 4}
    }


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 1000), st.integers(1, 20), st.integers(1, 4), st.none() | st.integers(1, 3), st.none() | st.just(2)
)
def test_as_a_slow_walk(seed: int, budget: int, gap: int, per_volume: int | None, per_patient: int | None) -> None:
    """Any number of picks; without relaxation those of a walk that looks at every pair."""
    view = make_view(depths=(5, 1, 7, 4, 6), labelled=3, seed=seed)
    selection = spread(view, budget, gap=gap, per_volume=per_volume, per_patient=per_patient)
    assert len(set(selection.positions)) == budget and not np.isin(selection.positions, view.labelled).any()
    table, taken = view.table, list[int]()
    order = ByFeature().select(view, len(view.unlabelled), np.random.default_rng(0)).positions
    for p in order:
        near = [q for q in (*taken, *view.labelled) if table.volume[q] == table.volume[p]]
        fits = all(abs(table.z[p] - table.z[q]) >= gap for q in near)
        fits &= per_volume is None or sum(table.volume[q] == table.volume[p] for q in taken) < per_volume
        fits &= per_patient is None or sum(table.patient[q] == table.patient[p] for q in taken) < per_patient
        if fits and len(taken) < budget:
            taken.append(p)
    assert selection.positions[: len(taken)].tolist() == taken
    assert bool(selection.facts) == (len(taken) < budget)


def test_a_strategy_without_ranking_is_asked_for_more_until_enough_fit() -> None:
    view = pool((20,), list(range(20, 0, -1)))
    ByFeatureAndBudget.asked.clear()
    assert places(view, spread(view, 3, ByFeatureAndBudget(), gap=4)) == [(0, 0), (0, 4), (0, 8)]
    assert ByFeatureAndBudget.asked == [3, 6, 12]
    ByFeatureAndBudget.asked.clear()
    assert len(places(view, spread(view, 7, ByFeatureAndBudget(), gap=4))) == 7
    assert ByFeatureAndBudget.asked == [7, 14, 20]


@pytest.mark.parametrize("of", ["coreset", "prob_cover", "strided", "random"])
def test_limits_that_bind_nothing_leave_the_picks_alone(of: str) -> None:
    view = make_view()
    own = STRATEGIES.build(of).select(view, 6, np.random.default_rng(5))
    found = STRATEGIES.build({"name": "spread", "of": of, "gap": 1}).select(view, 6, np.random.default_rng(5))
    assert found.positions.tolist() == own.positions.tolist()


def test_what_the_other_strategy_needs_is_needed() -> None:
    for of in STRATEGIES:
        inner, outer = STRATEGIES.build(of), STRATEGIES.build({"name": "spread", "of": {"name": of}})
        for what in ("needs_model", "needs_embedding", "reads_ground_truth", "format"):
            assert getattr(outer, what) == getattr(inner, what), (of, what)
        assert outer.passes_per_slice(3) == inner.passes_per_slice(3)
        assert outer.needs_network(3) == inner.needs_network(3)
        assert STRATEGIES.build(describe(outer)) == outer
    with pytest.raises(ConfigError, match="Did you mean 'entropy'"):
        STRATEGIES.build({"name": "spread", "of": "entropi"})


def test_a_reference_stays_behind_its_wall(tiny: dict[str, Any]) -> None:
    tiny["recipe"] = {"name": "apart", "strategy": {"name": "spread", "of": "oracle_greedy"}}
    with pytest.raises(ConfigError, match="read ground truth"):
        RunConfig.load(tiny)
    tiny["recipe"]["name"] = "oracle_apart"
    assert RunConfig.load(tiny).recipe.strategy.reads_ground_truth


def test_a_run_records_what_was_relaxed(tiny: dict[str, Any], tmp_path: Path) -> None:
    strategy = {"name": "spread", "of": "coreset", "gap": 50}
    tiny |= {"recipe": {"name": "apart", "strategy": strategy, "embed": "pixels"}, "budgets": [40]}
    (record,) = loop.run(RunConfig.load(tiny), tmp_path / "run", Store(tmp_path / "store"))
    relaxed = record.signals["spread"]
    assert isinstance(relaxed, dict) and list(relaxed) == ["gap"] and 0 < relaxed["gap"] < 50
