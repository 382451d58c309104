"""The conformance suite finds planted faults, each by its own check, and passes correct strategies."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from alseg_core.strategies.conformance import CHECKS, FRAMES, Frame, check
from alseg_core.strategies.synthetic_view import SyntheticReferenceView
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection


class Right(Strategy):
    """A correct strategy, farthest from the origin first, that uses embedding, bought labels and its generator."""

    needs_embedding: ClassVar[bool] = True

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        positions, labels = view.bought()
        offset = float((labels > 0).mean()) if len(positions) else rng.random()
        score = np.linalg.norm(view.embedding()[view.unlabelled] - offset, axis=1)
        order = np.argsort(-score, kind="stable")[:budget]
        return Selection(view.unlabelled[order], score[order].astype(np.float64))


class First(Strategy):
    """A correct strategy that takes the first slices in order; each fault below changes one thing."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        return Selection(self.positions(view, budget, rng))

    def positions(self, view: View, budget: int, rng: np.random.Generator) -> Any:
        return view.unlabelled[:budget]


class RowsForPositions(First):
    needs_embedding: ClassVar[bool] = True

    def positions(self, view, budget, rng):
        return np.argsort(view.embedding()[view.unlabelled][:, 0])[:budget]


class FeaturesByRow(First):
    needs_embedding: ClassVar[bool] = True

    def positions(self, view, budget, rng):
        return view.unlabelled[np.argsort(view.embedding()[: len(view.unlabelled), 0])[:budget]]


class TiesByNumber(First):
    needs_embedding: ClassVar[bool] = True

    def positions(self, view, budget, rng):
        left = view.unlabelled
        return left[np.lexsort((left, view.embedding()[left, 0]))[:budget]]


class MiddleByNumber(First):
    def positions(self, view, budget, rng):
        left = view.unlabelled
        return left[np.lexsort((left, np.abs(view.table.relative_z[left] - 0.5)))[:budget]]


class DrawsByNumber(First):
    def positions(self, view, budget, rng):
        return rng.choice(np.sort(view.unlabelled), budget, replace=False)


class ColdStartByPosition(First):
    """Takes a row of the candidates for a position, which are the same numbers while nothing is annotated."""

    def positions(self, view, budget, rng):
        left = view.unlabelled
        if len(view.labelled):
            return left[:budget]
        first = int(rng.integers(len(view.table)))
        return np.concatenate([[first], left[left != first][: budget - 1]])


class ColdStartByNumber(First):
    def positions(self, view, budget, rng):
        return view.unlabelled[:budget] if len(view.labelled) else np.sort(view.unlabelled)[:budget]


class ColdStartOfItsOwn(First):
    def positions(self, view, budget, rng):
        if view.round == 0:
            rng = np.random.default_rng()
        return rng.choice(view.unlabelled, budget, replace=False)


class LastRoundOfItsOwn(First):
    def positions(self, view, budget, rng):
        if view.round == view.rounds - 1:
            rng = np.random.default_rng()
        return rng.choice(view.unlabelled, budget, replace=False)


class OverBudget(First):
    def positions(self, view, budget, rng):
        return view.unlabelled[: budget + 1]


class FixedBatch(First):
    def positions(self, view, budget, rng):
        return view.unlabelled[: budget // 2 * 2] if budget > 1 else view.unlabelled[:1]


class RanksOtherwise(First):
    """Says that it ranks, and takes the last slices, which depend on their number."""

    ranks: ClassVar[bool] = True

    def positions(self, view, budget, rng):
        return view.unlabelled[-budget:]


class ArrayAsFact(First):
    def select(self, view, budget, rng):
        return Selection(view.unlabelled[:budget], facts={"left": view.unlabelled})


class Twice(First):
    def positions(self, view, budget, rng):
        return rng.choice(view.unlabelled, budget)


class Again(First):
    def positions(self, view, budget, rng):
        return np.concatenate([view.labelled, view.unlabelled])[:budget]


class NoPosition(First):
    def positions(self, view, budget, rng):
        return np.arange(budget) - 2


class Int32(First):
    def positions(self, view, budget, rng):
        return view.unlabelled[:budget].astype(np.int32)


class AList(First):
    def positions(self, view, budget, rng):
        return view.unlabelled[:budget].tolist()


class NoSelection(Strategy):
    def select(self, view, budget, rng):
        return view.unlabelled[:budget]


class ScoresOfAll(Strategy):
    def select(self, view, budget, rng):
        return Selection(view.unlabelled[:budget], np.ones(len(view.unlabelled)))


class NumpyGlobal(First):
    def positions(self, view, budget, rng):
        return np.random.permutation(view.unlabelled)[:budget]


class PythonGlobal(First):
    def positions(self, view, budget, rng):
        return np.array(random.sample(view.unlabelled.tolist(), budget), dtype=np.int64)


class TorchGlobal(First):
    def positions(self, view, budget, rng):
        return view.unlabelled[torch.randperm(len(view.unlabelled)).numpy()[:budget]]


class SeedsGlobally(First):
    def positions(self, view, budget, rng):
        torch.manual_seed(0)
        return super().positions(view, budget, rng)


class PeeksAtMasks(First):
    def positions(self, view, budget, rng):
        size = (view.masks[view.unlabelled] > 0).sum(axis=(1, 2))
        return view.unlabelled[np.argsort(-size, kind="stable")[:budget]]


class AsksForTruth(First):
    def positions(self, view, budget, rng):
        view.ground_truth()
        return super().positions(view, budget, rng)


class UndeclaredEmbedding(First):
    def positions(self, view, budget, rng):
        view.embedding()
        return super().positions(view, budget, rng)


class UndeclaredModel(First):
    def positions(self, view, budget, rng):
        list(view.member_probabilities(view.unlabelled))
        return super().positions(view, budget, rng)


class InPlace(First):
    needs_model: ClassVar[bool] = True

    def positions(self, view, budget, rng):
        for _, members in view.member_probabilities(view.unlabelled):
            for p in members:
                p.clamp_(min=1e-6)
        return super().positions(view, budget, rng)


class Writes(First):
    needs_embedding: ClassVar[bool] = True

    def positions(self, view, budget, rng):
        features = view.embedding()
        features -= features.mean(axis=0)
        return super().positions(view, budget, rng)


class WritesThroughTorch(First):
    needs_embedding: ClassVar[bool] = True

    def positions(self, view, budget, rng):
        torch.from_numpy(view.embedding()).mul_(2)
        return super().positions(view, budget, rng)


class ShufflesInPlace(First):
    def positions(self, view, budget, rng):
        left = view.unlabelled
        rng.shuffle(left)
        return left[:budget]


class Unpicklable(First):
    def __init__(self) -> None:
        self.key = lambda view: view.unlabelled

    def positions(self, view, budget, rng):
        return self.key(view)[:budget]


class Stateful(First):
    def __init__(self) -> None:
        self.calls = 0

    def positions(self, view, budget, rng):
        self.calls += 1
        return np.roll(view.unlabelled, self.calls)[:budget]


class ForgetsItsSetting(First):
    def __init__(self) -> None:
        self.start = 1

    def __getstate__(self) -> dict[str, Any]:
        return {"start": 0}

    def positions(self, view, budget, rng):
        return np.roll(view.unlabelled, -self.start)[:budget]


class NeedsTwoNeighbours(First):
    def positions(self, view, budget, rng):
        view.unlabelled[1]
        return super().positions(view, budget, rng)


class NeedsLabels(First):
    def positions(self, view, budget, rng):
        view.labelled[0]
        return super().positions(view, budget, rng)


class NeedsDeepVolumes(First):
    def positions(self, view, budget, rng):
        view.table.of_volume(0)[1]
        return super().positions(view, budget, rng)


class NeedsSpread(First):
    needs_embedding: ClassVar[bool] = True

    def positions(self, view, budget, rng):
        order = np.unique(view.embedding()[view.unlabelled, 0], return_index=True)[1]
        return view.unlabelled[order[:budget]]


FAULTS: list[tuple[type[Strategy], str, str]] = [
    (RowsForPositions, "exactly_the_budget", "annotated already"),
    (FeaturesByRow, "indifferent_to_numbering", "rows taken for positions"),
    (TiesByNumber, "indifferent_to_numbering", "numbered otherwise"),
    (MiddleByNumber, "indifferent_to_numbering", "numbered otherwise"),
    (DrawsByNumber, "indifferent_to_numbering", "numbered otherwise"),
    (ColdStartByPosition, "indifferent_to_numbering", "with nothing annotated"),
    (ColdStartByNumber, "indifferent_to_numbering", "with nothing annotated"),
    (ColdStartOfItsOwn, "repeatable", "with nothing annotated"),
    (LastRoundOfItsOwn, "repeatable", "in the last round"),
    (OverBudget, "exactly_the_budget", "shape"),
    (FixedBatch, "exactly_the_budget", "shape"),
    (RanksOtherwise, "ranks_if_it_says_so", "not the first of all"),
    (ArrayAsFact, "exactly_the_budget", "no plain data"),
    (Twice, "exactly_the_budget", "twice"),
    (Again, "exactly_the_budget", "annotated already"),
    (NoPosition, "exactly_the_budget", "no position"),
    (Int32, "exactly_the_budget", "int32"),
    (AList, "exactly_the_budget", "no array"),
    (NoSelection, "exactly_the_budget", "no Selection"),
    (ScoresOfAll, "exactly_the_budget", "one number a pick"),
    (NumpyGlobal, "random_by_its_generator_alone", "global random state of numpy"),
    (PythonGlobal, "random_by_its_generator_alone", "global random state of python"),
    (TorchGlobal, "random_by_its_generator_alone", "global random state of torch"),
    (SeedsGlobally, "random_by_its_generator_alone", "global random state of torch"),
    (PeeksAtMasks, "blind_to_labels_not_bought", "reads them"),
    (AsksForTruth, "exactly_the_budget", "ground_truth"),
    (UndeclaredEmbedding, "exactly_the_budget", "needs_embedding"),
    (UndeclaredModel, "from_zero_labels", "needs_model"),
    (InPlace, "exactly_the_budget", "inference"),
    (Writes, "leaves_the_view_alone", "writes into"),
    (WritesThroughTorch, "leaves_the_view_alone", "writes into the view's features"),
    (ShufflesInPlace, "exactly_the_budget", "writes into"),
    (Unpicklable, "survives_pickling", "cannot be pickled"),
    (Stateful, "repeatable", "keeps a state"),
    (ForgetsItsSetting, "survives_pickling", "after pickling"),
    (NeedsTwoNeighbours, "down_to_the_last_slice", "IndexError"),
    (NeedsLabels, "from_zero_labels", "IndexError"),
    (NeedsDeepVolumes, "one_slice_volumes", "IndexError"),
    (NeedsSpread, "all_slices_equal", "shape"),
]


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@pytest.mark.parametrize(("fault", "by", "says"), FAULTS, ids=[fault.__name__ for fault, _, _ in FAULTS])
def test_finds(fault: type[Strategy], by: str, says: str) -> None:
    one = next(c for c in CHECKS if c.__name__ == by)
    with pytest.raises(AssertionError, match=says) as caught:
        one(fault())
    assert str(caught.value).startswith(fault.__name__)
    with pytest.raises(AssertionError):
        check(fault())


class OnlyIn(First):
    """A strategy with a fault in one kind of pool only."""

    def __init__(self, frame: Frame, fault: type[First]) -> None:
        self.fault = fault()
        self.needs_embedding = self.fault.needs_embedding  # type: ignore[misc]
        view = frame.view(self)
        self.kind = len(view.table), len(view.labelled)

    def positions(self, view, budget, rng):
        here = (len(view.table), len(view.labelled)) == self.kind
        return (self.fault.positions if here else super().positions)(view, budget, rng)


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.title)
@pytest.mark.parametrize(
    ("fault", "by"),
    [
        (DrawsByNumber, "indifferent_to_numbering"),
        (PeeksAtMasks, "blind_to_labels_not_bought"),
        (Stateful, "repeatable"),
        (NumpyGlobal, "random_by_its_generator_alone"),
        (ForgetsItsSetting, "survives_pickling"),
        (WritesThroughTorch, "leaves_the_view_alone"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_finds_a_fault_that_one_kind_of_pool_shows(fault: type[First], by: str, frame: Frame) -> None:
    one = next(c for c in CHECKS if c.__name__ == by)
    with pytest.raises(AssertionError) as caught:
        one(OnlyIn(frame, fault))
    assert frame.title in str(caught.value)


def test_pools_are_small_and_each_is_another() -> None:
    views = [frame.view(First()) for frame in FRAMES]
    assert len({(len(view.table), len(view.labelled)) for view in views}) == len(FRAMES)
    assert {view.round for view in views} == {0, 1, 2, 3} and {view.rounds for view in views} == {4}
    assert min(len(view.unlabelled) for view in views) == 7 and max(len(view.table) for view in views) == 26


def test_every_check_is_needed() -> None:
    assert {by for _, by, _ in FAULTS} == {one.__name__ for one in CHECKS}


@pytest.mark.parametrize("one", CHECKS)
@pytest.mark.parametrize("right", [Right, First])
def test_lets_right_strategies_pass(right: type[Strategy], one: Any) -> None:
    one(right())


def test_leaves_the_global_random_states_as_they_were() -> None:
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    expected = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    check(Right())
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected


def test_renumbering_moves_everything_along() -> None:
    view = SyntheticReferenceView.make()
    order = np.random.default_rng(1).permutation(len(view.table))
    other = view.renumbered(order)
    for name in ("labelled", "unlabelled"):
        there, here = getattr(other, name), getattr(view, name)
        assert order[there].tolist() == here.tolist()
        assert not np.array_equal(there, here)
        places = [(view.table.volume[p], view.table.z[p]) for p in here]
        assert places == sorted(places)
    where = np.argsort(order)
    positions = view.unlabelled[3:9]
    np.testing.assert_array_equal(other.images(where[positions]), view.images(positions))
    np.testing.assert_array_equal(other.embedding()[where[positions]], view.embedding()[positions])
    np.testing.assert_array_equal(other.ground_truth()[where[positions]], view.ground_truth()[positions])
    for first, second in zip(
        view.member_probabilities(positions), other.member_probabilities(where[positions]), strict=True
    ):
        assert where[first[0]].tolist() == second[0].tolist()
        assert all(torch.equal(p, q) for p, q in zip(first[1], second[1], strict=True))
    for here, there in zip(view.pixel_features(positions), other.pixel_features(where[positions]), strict=True):
        assert torch.equal(here[1], there[1]) and torch.equal(here[2], there[2])
    bought, labels = view.bought()
    assert sorted(bought) == sorted(view.labelled)
    np.testing.assert_array_equal(other.bought()[0], where[bought])
    np.testing.assert_array_equal(other.bought()[1], labels)


def test_imports_without_test_framework_or_torch() -> None:
    code = "import sys, alseg_core.strategies.conformance; print([m for m in ('torch', 'pytest') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
