"""Conformance suite of query strategies, for those of this package and for your own.

Each function in :data:`CHECKS` takes a strategy and raises AssertionError with a description of the first fault. The
suite needs no test framework; with pytest, check your own strategy by

    @pytest.mark.parametrize("check", CHECKS)
    def test_mine(check):
        check(Mine())

Give a strategy that trains networks small settings (``Mine(epochs=2)``): the suite calls it about 100 times. Pools have
at most 26 slices of 16 x 16 pixels. Faults that only one kind of pool reveals - numbering, use of labels that were not
bought, repeatability, random states, pickling, writing - are looked for in each of :data:`FRAMES`: with nothing
annotated, with equal slices, in the last round and so on.

As in a run, a strategy gets an embedding only if it sets ``needs_embedding``, predictions only once something is
annotated, and ground truth only if it sets ``reads_ground_truth``. A strategy that sets ``needs_model`` is never called
while nothing is annotated.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from alseg_core.conformance import demand, global_seeds, pickled
from alseg_core.strategies.synthetic_view import SyntheticReferenceView, SyntheticView
from alseg_core.strategies.view import Strategy
from alseg_core.vocabulary import Selection


@dataclass(frozen=True)
class Frame:
    """A kind of pool to call a strategy on."""

    title: str
    """Description for messages."""
    depths: tuple[int, ...] = (5, 1, 7, 4, 6)
    """Slices of each volume."""
    labelled: int = 6
    """Number of annotated slices."""
    equal: bool = False
    """Whether features, images and predictions of all slices are the same."""
    round: int = 1
    """Round of four, 0-based; 0 if nothing is annotated."""
    shape: dict[str, int] = field(default_factory=dict)
    """Further arguments of :meth:`SyntheticView.make`."""

    def view(self, strategy: Strategy) -> SyntheticView:
        """Return the view that a run would give this strategy."""
        kind = SyntheticReferenceView if strategy.reads_ground_truth else SyntheticView
        least = 1 if strategy.needs_model else 0  # a strategy that needs a network is not called before there is one
        view = kind.make(self.depths, max(self.labelled, least), **self.shape)
        view.has_embedding = strategy.needs_embedding
        if view.round > 0:
            view.round = self.round
        if self.equal:
            view.pixels[:], view.features[:], view.maps[:] = 0.5, 1.0, 1.0
            for stack in (view.members, view.dropout, view.turned):
                stack[:] = 1 / view.classes
        return view


PLAIN = Frame("a shuffled pool of unequal volumes")
EQUAL = Frame("equal volumes of slices with the same features, images and predictions", (5,) * 5, 4, equal=True)
EMPTY = Frame("a pool with nothing annotated (one slice for a strategy that needs a model)", labelled=0)
ONE_SLICE = Frame("volumes of a single slice", (1,) * 9, 2)
COLOUR = Frame(
    "colour images, two classes, one network", (9, 8), 3, round=2, shape={"channels": 3, "classes": 2, "members": 1}
)
SMALL = Frame(
    "images of 8 x 8 pixels, five classes, in the last round", (12, 3, 11), 10, round=3, shape={"size": 8, "classes": 5}
)

FRAMES: tuple[Frame, ...] = (PLAIN, EQUAL, EMPTY, ONE_SLICE, COLOUR, SMALL)
"""Pools that a fault can be confined to. The smallest has seven slices left to pick from."""


def _select(strategy: Strategy, view: SyntheticView, budget: int, what: str, seed: int = 0) -> Selection:
    """Call the strategy and check what every answer must satisfy."""
    name, where = type(strategy).__name__, f"on {what}, budget {budget}"
    try:
        selection = strategy.select(view, budget, np.random.default_rng(seed))
    except Exception as error:
        if isinstance(error, ValueError) and "read-only" in str(error):
            raise AssertionError(f"{name} writes into an array of the view; copy it first.") from error
        raise AssertionError(f"{name} failed {where}: {type(error).__name__}: {error}") from error
    demand(isinstance(selection, Selection), strategy, f"gave no Selection {where}: {type(selection).__name__}.")
    positions, scores = selection.positions, selection.scores
    demand(isinstance(positions, np.ndarray), strategy, f"gave positions that are no array {where}.")
    demand(positions.dtype == np.int64, strategy, f"gave positions of type {positions.dtype} {where}; use int64.")
    demand(positions.shape == (budget,), strategy, f"gave positions of shape {positions.shape} {where}.")
    demand(len(np.unique(positions)) == budget, strategy, f"picked a slice twice {where}.")
    wrong = np.setdiff1d(positions, view.unlabelled)
    demand(not len(wrong), strategy, f"picked {wrong.tolist()} {where}: annotated already, or no position at all.")
    if scores is not None:
        fine = isinstance(scores, np.ndarray) and scores.shape == (budget,) and not np.isnan(scores).any()
        demand(fine, strategy, f"gave scores {where} that are not one number a pick.")
    try:
        json.dumps(selection.facts)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{name} gave facts {where} that are no plain data: {error}.") from error
    return selection


def _places(view: SyntheticView, selection: Selection) -> list[tuple[str, int]]:
    """Return (case, z) of the picked slices, which do not depend on their numbers."""
    return sorted(view.table.locate(int(position)) for position in selection.positions)


def _same(first: Selection, second: Selection) -> bool:
    return np.array_equal(first.positions, second.positions)


def exactly_the_budget(strategy: Strategy) -> None:
    """It gives exactly ``budget`` distinct unlabelled int64 positions, in pools of several shapes and all rounds."""
    for frame in (PLAIN, COLOUR, SMALL):
        for budget in (1, 3, 8):
            _select(strategy, frame.view(strategy), budget, frame.title)
    for number, rounds in ((0, 1), (1, 2), (3, 4)):
        view = PLAIN.view(strategy)
        view.round, view.rounds = max(number, int(strategy.needs_model)), max(rounds, 1 + int(strategy.needs_model))
        _select(strategy, view, 3, f"round {view.round} of {view.rounds}")


def from_zero_labels(strategy: Strategy) -> None:
    """It works while nothing is annotated; one that needs a model, while one slice is."""
    for budget in (1, 5):
        _select(strategy, EMPTY.view(strategy), budget, EMPTY.title)


def down_to_the_last_slice(strategy: Strategy) -> None:
    """It picks the last slice, and the whole pool at once."""
    last = Frame("a pool with one slice left", labelled=22)
    _select(strategy, last.view(strategy), 1, last.title)
    view = EMPTY.view(strategy)
    _select(strategy, view, len(view.unlabelled), "all slices at once")


def one_slice_volumes(strategy: Strategy) -> None:
    """It works if every volume is one slice."""
    _select(strategy, ONE_SLICE.view(strategy), 4, ONE_SLICE.title)


def all_slices_equal(strategy: Strategy) -> None:
    """It works if all features, images and predictions are equal, for a few slices and for most of them."""
    for budget in (4, 17):
        _select(strategy, EQUAL.view(strategy), budget, EQUAL.title)


def indifferent_to_numbering(strategy: Strategy) -> None:
    """It picks the same slices if positions are renumbered, in every pool, the empty one too.

    A row must not be taken for a position, nor a number for a rank; draws and ties follow ``view.unlabelled``.
    """
    for seed, (frame, budget) in enumerate(product(FRAMES, (2, 6))):
        view = frame.view(strategy)
        other = view.renumbered(np.random.default_rng(seed).permutation(len(view.table)))
        expected = _places(view, _select(strategy, view, budget, frame.title, seed))
        found = _places(other, _select(strategy, other, budget, frame.title + ", numbered otherwise", seed))
        demand(
            found == expected,
            strategy,
            f"picks other slices when positions are numbered otherwise, on {frame.title}: {found} instead of "
            f"{expected}. Look for rows taken for positions, and for ties or draws by position number instead of by "
            "the order of view.unlabelled.",
        )


def blind_to_labels_not_bought(strategy: Strategy) -> None:
    """It picks the same slices whatever the labels that were not bought; references are exempt."""
    if strategy.reads_ground_truth:
        return
    for frame in FRAMES:
        view, other = frame.view(strategy), frame.view(strategy)
        hidden = other.unlabelled
        other.masks[hidden] = np.random.default_rng(5).integers(0, other.classes, other.masks[hidden].shape)
        demand(
            _same(*(_select(strategy, v, 4, frame.title) for v in (view, other))),
            strategy,
            f"picks otherwise when labels that were not bought change, on {frame.title}: it reads them.",
        )


def repeatable(strategy: Strategy) -> None:
    """It picks the same slices from the same generator state, no matter how often it is called."""
    first = {frame.title: _select(strategy, frame.view(strategy), 4, frame.title, seed=7) for frame in FRAMES}
    for frame in reversed(FRAMES):
        demand(
            _same(first[frame.title], _select(strategy, frame.view(strategy), 4, frame.title, seed=7)),
            strategy,
            f"picks otherwise when called again, on {frame.title}: it keeps a state or draws elsewhere.",
        )


def random_by_its_generator_alone(strategy: Strategy) -> None:
    """It neither uses nor changes the global generators of Python, NumPy and torch."""
    for frame in FRAMES:
        picks = []
        for seed in (1, 2):
            with global_seeds(seed, strategy, f", on {frame.title}"):
                picks.append(_select(strategy, frame.view(strategy), 4, frame.title))
        demand(_same(*picks), strategy, f"picks by a global random state, on {frame.title}; draw from rng.")


def survives_pickling(strategy: Strategy) -> None:
    """A pickled copy, as a worker process gets it, picks the same slices."""
    copied = pickled(strategy)
    for frame in FRAMES:
        demand(
            _same(*(_select(s, frame.view(strategy), 4, frame.title) for s in (strategy, copied))),
            strategy,
            f"picks otherwise after pickling, on {frame.title}.",
        )


def leaves_the_view_alone(strategy: Strategy) -> None:
    """It writes to no array of the view; a run shares them between rounds."""
    for frame in FRAMES:
        view = frame.view(strategy)
        arrays = view.arrays()
        before = {name: array.copy() for name, array in arrays.items()}
        for array in arrays.values():
            array.flags.writeable = False
        _select(strategy, view, 4, frame.title)
        for name, array in view.arrays().items():
            demand(
                np.array_equal(array, before[name]),
                strategy,
                f"writes into the view's {name}, on {frame.title}; copy it first.",
            )


def ranks_if_it_says_so(strategy: Strategy) -> None:
    """If it sets ``ranks``, its picks are the first of those for a larger budget."""
    if not strategy.ranks:
        return
    for frame in FRAMES:
        view = frame.view(strategy)
        every = _select(strategy, view, len(view.unlabelled), frame.title).positions
        for budget in (1, 5):
            picks = _select(strategy, view, budget, frame.title).positions
            demand(
                np.array_equal(picks, every[:budget]),
                strategy,
                f"sets ranks, and its {budget} picks are not the first of all, on {frame.title}.",
            )


Check = Callable[[Strategy], None]

CHECKS: tuple[Check, ...] = (
    exactly_the_budget,
    from_zero_labels,
    down_to_the_last_slice,
    one_slice_volumes,
    all_slices_equal,
    indifferent_to_numbering,
    blind_to_labels_not_bought,
    repeatable,
    random_by_its_generator_alone,
    survives_pickling,
    leaves_the_view_alone,
    ranks_if_it_says_so,
)


def check(strategy: Strategy) -> None:
    """Run all checks. Raises AssertionError for the first fault."""
    for one in CHECKS:
        one(strategy)
