"""What every query strategy must do, whatever it is: checks for strategies of this package and of others.

Each of :data:`CHECKS` takes a strategy that is built and raises AssertionError saying what it did wrong. They need no
test framework; with pytest a strategy of one's own is checked by

    @pytest.mark.parametrize("check", CHECKS)
    def test_mine(check):
        check(Mine())

Give a strategy that trains networks small settings (``Mine(epochs=2)``): it is asked some 100 times. Pools have at most
26 slices of 16 x 16 pixels. What can be wrong in one kind of pool alone - numbering, labels that were not bought,
repeatability, random states, pickling, writing - is checked in each of :data:`FRAMES`: with nothing annotated, with
equal slices, in the last round and so on.

As in a run, a strategy gets an embedding only where it says ``needs_embedding``, predictions only where something is
annotated, and ground truth only where it says ``reads_ground_truth``. One that says ``needs_model`` is never asked
while nothing is annotated.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from alseg_core.data.slices import SliceTable
from alseg_core.errors import ConfigError
from alseg_core.strategies.view import Strategy
from alseg_core.vocabulary import FloatArray, IntArray, LabelArray, Selection

if TYPE_CHECKING:  # this module is imported without waiting for torch
    from typing import Self

    from torch import Tensor

CHUNK = 4
"""Slices in a chunk of predictions: fewer than in a run, so that every pool has several chunks."""


@dataclass(eq=False)
class SyntheticView:
    """A :class:`alseg_core.strategies.View` over arrays; positions are shuffled over volumes and z.

    labelled: (L,) positions by volume and z. pixels: (N, C, H, W) images. features: (N, D) embedding.
    members: (M, N, K, H, W) probabilities. dropout: (T, N, K, H, W) probabilities; pass t is t modulo T.
    maps: (N, D, H, W) pixel features. masks: (N, H, W) labels; those of ``labelled`` are bought.
    has_embedding, has_networks: whether the run has them; if not, asking for them is an error.
    """

    table: SliceTable
    labelled: IntArray
    pixels: np.ndarray
    features: np.ndarray
    members: np.ndarray
    dropout: np.ndarray
    maps: np.ndarray
    masks: LabelArray
    classes: int
    round: int = 1
    rounds: int = 4
    device: str = "cpu"
    has_embedding: bool = True
    has_networks: bool = True

    @classmethod
    def make(
        cls,
        depths: tuple[int, ...] = (5, 1, 7, 4, 6),
        labelled: int = 6,
        seed: int = 0,
        *,
        size: int = 16,
        channels: int = 1,
        classes: int = 3,
        members: int = 3,
    ) -> Self:
        """Volumes of the given depths in shuffled order, two to a patient, with ``labelled`` random slices annotated.

        A third of the slices holds foreground. Nothing has a meaning: features, predictions and masks are independent.
        """
        rng = np.random.default_rng(seed)
        n = sum(depths)
        shuffle = rng.permutation(n)
        table = SliceTable(
            cases=tuple(f"case{i}" for i in range(len(depths))),
            patients=tuple(f"patient{i // 2}" for i in range(len(depths))),
            volume=np.repeat(np.arange(len(depths)), depths)[shuffle].astype(np.int64),
            z=np.concatenate([np.arange(d) for d in depths])[shuffle].astype(np.int64),
        )
        masks = np.zeros((n, size, size), dtype=np.uint8)
        for i in rng.permutation(n)[: n // 3]:
            masks[i, 2:6, 2:6] = rng.integers(1, classes)
        return cls(
            table=table,
            labelled=_listed(table, rng.permutation(n)[:labelled]),
            pixels=rng.random((n, channels, size, size), dtype=np.float32),
            features=rng.normal(size=(n, 5)).astype(np.float32),
            members=_probabilities(rng.normal(0, 2, (members, n, classes, size, size))),
            dropout=_probabilities(rng.normal(0, 2, (4, n, classes, size, size))),
            maps=rng.normal(size=(n, 4, size, size)).astype(np.float32),
            masks=masks,
            classes=classes,
            round=1 if labelled else 0,
            has_networks=labelled > 0,
        )

    def renumbered(self, order: IntArray) -> Self:
        """The same pool with other position numbers: the slice at ``order[i]`` goes to position i."""
        number = np.argsort(order)
        table = replace(self.table, volume=self.table.volume[order], z=self.table.z[order])
        return replace(
            self,
            table=table,
            labelled=_listed(table, number[self.labelled]),
            pixels=self.pixels[order],
            features=self.features[order],
            members=self.members[:, order],
            dropout=self.dropout[:, order],
            maps=self.maps[order],
            masks=self.masks[order],
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Every array the view stands on, by name."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: v for k, v in own.items() if isinstance(v, np.ndarray)} | {
            "table.volume": self.table.volume,
            "table.z": self.table.z,
        }

    @property
    def unlabelled(self) -> IntArray:
        """(U,) positions not annotated yet, by volume and z; read-only."""
        positions = _listed(self.table, np.setdiff1d(np.arange(len(self.table)), self.labelled))
        positions.flags.writeable = False
        return positions

    def images(self, positions: IntArray) -> np.ndarray:
        """(B, C, H, W) float32 network input of the given slices."""
        return self.pixels[positions]

    def embedding(self) -> FloatArray:
        """(N, D) float32 feature vector of every slice."""
        if not self.has_embedding:
            raise ConfigError("a strategy that works on an embedding says needs_embedding = True.")
        return self.features

    def bought(self) -> tuple[IntArray, LabelArray]:
        """Positions (L,) in the order they were bought, which is not that of ``labelled``, and their labels."""
        positions = self.labelled[::-1].copy()
        return positions, self.masks[positions]

    def member_probabilities(self, positions: IntArray) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        """Chunks of positions, each with the class probabilities of every member."""
        for chunk in self._chunks(positions):
            yield chunk, (_inference(member[chunk]) for member in self.members)

    def dropout_probabilities(
        self, positions: IntArray, passes: int, rng: np.random.Generator
    ) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        """Chunks of positions, each with the class probabilities of every dropout pass; a chunk takes one draw."""
        for chunk in self._chunks(positions):
            rng.integers(0, 2**63 - 1)
            yield chunk, (_inference(self.dropout[t % len(self.dropout)][chunk]) for t in range(passes))

    def pixel_features(self, positions: IntArray) -> Iterator[tuple[IntArray, Tensor, Tensor]]:
        """Chunks of positions with the first member's probabilities and its pixel features."""
        for chunk in self._chunks(positions):
            yield chunk, _inference(self.members[0][chunk]), _inference(self.maps[chunk])

    def _chunks(self, positions: IntArray) -> Iterator[IntArray]:
        if not self.has_networks:
            raise ConfigError("there is no trained network yet; a strategy that needs one says needs_model = True.")
        for start in range(0, len(positions), CHUNK):
            yield positions[start : start + CHUNK]


class SyntheticReferenceView(SyntheticView):
    """The synthetic view of an ``oracle_*`` reference."""

    def ground_truth(self) -> LabelArray:
        """(N, H, W) uint8 masks of all slices."""
        return self.masks


def _listed(table: SliceTable, positions: IntArray) -> IntArray:
    """The positions by volume and z."""
    return positions[np.lexsort((table.z[positions], table.volume[positions]))].astype(np.int64)


def _probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over axis 2, float32."""
    grown = np.exp(logits - logits.max(axis=2, keepdims=True))
    probabilities: np.ndarray = grown / grown.sum(axis=2, keepdims=True)
    return probabilities.astype(np.float32)


def _inference(values: np.ndarray) -> Tensor:
    """A copy as networks give it: a tensor that gradients cannot go through and that cannot be changed in place."""
    import torch

    with torch.inference_mode():
        return torch.from_numpy(np.ascontiguousarray(values)).clone()


# --- asking ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Frame:
    """A pool to ask a strategy about.

    equal: features, images and predictions of all slices are the same. round: of four, where anything is annotated.
    """

    title: str
    depths: tuple[int, ...] = (5, 1, 7, 4, 6)
    labelled: int = 6
    equal: bool = False
    round: int = 1
    shape: dict[str, int] = field(default_factory=dict)

    def view(self, strategy: Strategy) -> SyntheticView:
        """The view that a run would give this strategy."""
        kind = SyntheticReferenceView if strategy.reads_ground_truth else SyntheticView
        least = 1 if strategy.needs_model else 0  # before there is a network such a strategy is not asked
        view = kind.make(self.depths, max(self.labelled, least), **self.shape)
        view.has_embedding = strategy.needs_embedding
        if view.round > 0:
            view.round = self.round
        if self.equal:
            view.pixels[:], view.features[:], view.maps[:] = 0.5, 1.0, 1.0
            view.members[:], view.dropout[:] = 1 / view.classes, 1 / view.classes
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


def _demand(condition: bool, strategy: Strategy, complaint: str) -> None:
    if not condition:
        raise AssertionError(f"{type(strategy).__name__} {complaint}")


def _select(strategy: Strategy, view: SyntheticView, budget: int, what: str, seed: int = 0) -> Selection:
    """Ask, and check what every answer has to be."""
    name, where = type(strategy).__name__, f"on {what}, budget {budget}"
    try:
        selection = strategy.select(view, budget, np.random.default_rng(seed))
    except Exception as error:
        if isinstance(error, ValueError) and "read-only" in str(error):
            raise AssertionError(f"{name} writes into an array of the view; copy it first.") from error
        raise AssertionError(f"{name} failed {where}: {type(error).__name__}: {error}") from error
    _demand(isinstance(selection, Selection), strategy, f"gave no Selection {where}: {type(selection).__name__}.")
    positions, scores = selection.positions, selection.scores
    _demand(isinstance(positions, np.ndarray), strategy, f"gave positions that are no array {where}.")
    _demand(positions.dtype == np.int64, strategy, f"gave positions of type {positions.dtype} {where}; they are int64.")
    _demand(positions.shape == (budget,), strategy, f"gave positions of shape {positions.shape} {where}.")
    _demand(len(np.unique(positions)) == budget, strategy, f"picked a slice twice {where}.")
    wrong = np.setdiff1d(positions, view.unlabelled)
    _demand(not len(wrong), strategy, f"picked {wrong.tolist()} {where}: annotated already, or no position at all.")
    if scores is not None:
        fine = isinstance(scores, np.ndarray) and scores.shape == (budget,) and not np.isnan(scores).any()
        _demand(fine, strategy, f"gave scores {where} that are not one number a pick.")
    return selection


def _places(view: SyntheticView, selection: Selection) -> list[tuple[str, int]]:
    """The picked slices, whatever their numbers."""
    return sorted(view.table.locate(int(position)) for position in selection.positions)


def _same(first: Selection, second: Selection) -> bool:
    return np.array_equal(first.positions, second.positions)


# --- the checks -----------------------------------------------------------------------------------------------------


def exactly_the_budget(strategy: Strategy) -> None:
    """As many distinct unlabelled int64 positions as were asked for, in pools of several shapes and every round."""
    for frame in (PLAIN, COLOUR, SMALL):
        for budget in (1, 3, 8):
            _select(strategy, frame.view(strategy), budget, frame.title)
    for number, rounds in ((0, 1), (1, 2), (3, 4)):
        view = PLAIN.view(strategy)
        view.round, view.rounds = max(number, int(strategy.needs_model)), max(rounds, 1 + int(strategy.needs_model))
        _select(strategy, view, 3, f"round {view.round} of {view.rounds}")


def from_zero_labels(strategy: Strategy) -> None:
    """It works where nothing is annotated; one that needs a model, where hardly anything is."""
    for budget in (1, 5):
        _select(strategy, EMPTY.view(strategy), budget, EMPTY.title)


def down_to_the_last_slice(strategy: Strategy) -> None:
    """It gives the last slice, and the whole pool at once."""
    last = Frame("a pool with one slice left", labelled=22)
    _select(strategy, last.view(strategy), 1, last.title)
    view = EMPTY.view(strategy)
    _select(strategy, view, len(view.unlabelled), "all slices at once")


def one_slice_volumes(strategy: Strategy) -> None:
    """It works where every volume is one slice."""
    _select(strategy, ONE_SLICE.view(strategy), 4, ONE_SLICE.title)


def all_slices_equal(strategy: Strategy) -> None:
    """It works where all features, images and predictions are equal, for a few slices and for all."""
    for budget in (4, 17):
        _select(strategy, EQUAL.view(strategy), budget, EQUAL.title)


def indifferent_to_numbering(strategy: Strategy) -> None:
    """The same slices are picked when positions are numbered otherwise, in every pool, the empty one too.

    No row is taken for a position, nor a number for a rank; draws and ties follow the order of ``view.unlabelled``.
    """
    for seed, (frame, budget) in enumerate(product(FRAMES, (2, 6))):
        view = frame.view(strategy)
        other = view.renumbered(np.random.default_rng(seed).permutation(len(view.table)))
        expected = _places(view, _select(strategy, view, budget, frame.title, seed))
        found = _places(other, _select(strategy, other, budget, frame.title + ", numbered otherwise", seed))
        _demand(
            found == expected,
            strategy,
            f"picks other slices when positions are numbered otherwise, on {frame.title}: {found} instead of "
            f"{expected}. Mind rows taken for positions, and ties or draws by position number instead of by the order "
            "of view.unlabelled.",
        )


def blind_to_labels_not_bought(strategy: Strategy) -> None:
    """The same slices are picked whatever the labels of slices that were not bought; references are let off."""
    if strategy.reads_ground_truth:
        return
    for frame in FRAMES:
        view, other = frame.view(strategy), frame.view(strategy)
        hidden = other.unlabelled
        other.masks[hidden] = np.random.default_rng(5).integers(0, other.classes, other.masks[hidden].shape)
        _demand(
            _same(*(_select(strategy, v, 4, frame.title) for v in (view, other))),
            strategy,
            f"picks otherwise when labels that were not bought change, on {frame.title}: it reads them.",
        )


def repeatable(strategy: Strategy) -> None:
    """The same generator state gives the same picks, however often it is asked and whatever it was asked before."""
    first = {frame.title: _select(strategy, frame.view(strategy), 4, frame.title, seed=7) for frame in FRAMES}
    for frame in reversed(FRAMES):
        _demand(
            _same(first[frame.title], _select(strategy, frame.view(strategy), 4, frame.title, seed=7)),
            strategy,
            f"picks otherwise when asked again, on {frame.title}: it keeps a state or draws elsewhere.",
        )


def random_by_its_generator_alone(strategy: Strategy) -> None:
    """The global generators of Python, NumPy and torch are neither used nor changed."""
    import torch

    kept = _global_states()
    try:
        for frame in FRAMES:
            picks = []
            for seed in (1, 2):
                random.seed(seed)
                np.random.seed(seed)
                torch.manual_seed(seed)
                before = _global_states()
                picks.append(_select(strategy, frame.view(strategy), 4, frame.title))
                for name, state in _global_states().items():
                    _demand(
                        pickle.dumps(state) == pickle.dumps(before[name]),
                        strategy,
                        f"changes the global random state of {name}, on {frame.title}; draw from rng.",
                    )
            _demand(_same(*picks), strategy, f"picks by a global random state, on {frame.title}; draw from rng.")
    finally:
        random.setstate(kept["python"])
        np.random.set_state(kept["numpy"])
        torch.set_rng_state(torch.from_numpy(kept["torch"]))


def _global_states() -> dict[str, Any]:
    import torch

    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state().numpy().copy()}


def survives_pickling(strategy: Strategy) -> None:
    """It goes to a worker process and picks the same there."""
    try:
        copied = pickle.loads(pickle.dumps(strategy))
    except Exception as error:
        raise AssertionError(f"{type(strategy).__name__} cannot be pickled, as workers need it: {error}") from error
    for frame in FRAMES:
        _demand(
            _same(*(_select(s, frame.view(strategy), 4, frame.title) for s in (strategy, copied))),
            strategy,
            f"picks otherwise after pickling, on {frame.title}.",
        )


def leaves_the_view_alone(strategy: Strategy) -> None:
    """No array of the view is written to; a run shares them between rounds."""
    for frame in FRAMES:
        view = frame.view(strategy)
        arrays = view.arrays()
        before = {name: array.copy() for name, array in arrays.items()}
        for array in arrays.values():
            array.flags.writeable = False
        _select(strategy, view, 4, frame.title)
        for name, array in view.arrays().items():
            _demand(
                np.array_equal(array, before[name]),
                strategy,
                f"writes into the view's {name}, on {frame.title}; copy it first.",
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
)


def check(strategy: Strategy) -> None:
    """All checks. Raises AssertionError for the first thing that the strategy does wrong."""
    for one in CHECKS:
        one(strategy)
