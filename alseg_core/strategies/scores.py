"""How uncertain the networks are of a slice: one score a slice, and the strategies that pick by it alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from alseg_core.errors import ConfigError
from alseg_core.metrics.uncertainty import Measure, measures
from alseg_core.registry import component, nested
from alseg_core.strategies.sampling import Sampling, pick
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection

if TYPE_CHECKING:  # strategies are listed without waiting for torch
    from torch import Tensor

Aggregate = Literal["mean", "sum", "top", "foreground"]
"""How a slice's pixel scores become one score: mean; sum; mean of the highest 10 %; mean over the predicted foreground
dilated by 3 pixels, 0 where none is predicted (a mean over a mostly empty slice hides small structures)."""

Source = Literal["members", "dropout"]
"""Whose predictions are averaged and compared: the members of the ensemble, or dropout passes of the best member."""

TOP_SHARE = 0.1
DILATION = 3
OF_DISAGREEMENT = ("variance_ratio", "bald")


def slice_scores(pixels: Tensor, aggregate: Aggregate, foreground: Tensor) -> Tensor:
    """Slice scores (B,) float64 of pixel scores (B, H, W); foreground: (B, H, W) bool, predicted foreground."""
    import torch
    from torch.nn import functional

    flat = pixels.flatten(1)
    if aggregate == "mean":
        return flat.mean(dim=1, dtype=torch.float64)
    if aggregate == "sum":
        return flat.sum(dim=1, dtype=torch.float64)
    if aggregate == "top":
        highest = flat.topk(max(1, int(flat.shape[1] * TOP_SHARE)), dim=1).values
        return highest.mean(dim=1, dtype=torch.float64)
    wide = functional.max_pool2d(foreground.float(), 2 * DILATION + 1, stride=1, padding=DILATION).flatten(1)
    area = wide.sum(dim=1, dtype=torch.float64).clamp(min=1)
    return (flat * wide).sum(dim=1, dtype=torch.float64) / area


def predictions(view: View, source: Source, passes: int, rng: np.random.Generator) -> Iterator[Iterator[Tensor]]:
    """Probabilities (B, K, H, W) of one member or pass after another, for chunks of the unlabelled slices in order."""
    if source == "members":
        chunks = view.member_probabilities(view.unlabelled)
    else:
        chunks = view.dropout_probabilities(view.unlabelled, passes, rng)
    for _, members in chunks:
        yield members


def uncertainties(
    view: View, names: Collection[Measure], source: Source, passes: int, aggregate: Aggregate, rng: np.random.Generator
) -> dict[Measure, NDArray[np.float64]]:
    """Scores (U,) of the unlabelled slices in their order by each of the measures, all from one pass.

    passes: number of dropout passes, where the source is those.
    """
    import torch

    parts: dict[Measure, list[Tensor]] = {name: [] for name in names}
    for members in predictions(view, source, passes, rng):
        pixels, mean = measures(members, names)
        foreground = mean.max(dim=1).indices > 0
        for name, scores in pixels.items():
            parts[name].append(slice_scores(scores, aggregate, foreground))
    # fetched at the end: a device computes on while the host reads the next slices
    return {name: torch.cat(part).cpu().numpy() for name, part in parts.items()}


@component
class Score:
    """A measure of uncertainty, made one score a slice.

    source: "auto" is the members; for the measures of disagreement (variance_ratio, bald), which are 0 everywhere for
    one network, it is dropout passes where there is one member only, and "members" is refused. passes: number of
    dropout passes, where there are any.
    """

    name: Measure = "entropy"
    source: Source | Literal["auto"] = "auto"
    passes: Annotated[int, Field(ge=2)] = 40
    aggregate: Aggregate = "mean"

    def __post_init__(self) -> None:
        if self.name in OF_DISAGREEMENT and self.source == "members":
            raise ConfigError(
                f"score {self.name!r} is the disagreement of several predictions, and 'members' may be a single "
                "network; source is 'auto' (members where there are several, otherwise dropout) or 'dropout'."
            )

    def of(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        """Scores (U,) of the unlabelled slices in their order, higher = less certain, never negative."""
        source = self._source(lambda: _members(view))
        return uncertainties(view, (self.name,), source, self.passes, self.aggregate, rng)[self.name]

    def passes_per_slice(self, members: int) -> int:
        """See :meth:`Strategy.passes_per_slice`."""
        return members if self._source(lambda: members) == "members" else self.passes

    def _source(self, members: Callable[[], int]) -> Source:
        """Where the predictions come from; ``members`` counts the networks where the answer depends on it."""
        if self.source != "auto":
            return self.source
        return "members" if self.name not in OF_DISAGREEMENT or members() > 1 else "dropout"


def _members(view: View) -> int:
    """Number of networks that answer for one slice, which a view does not say."""
    _, answers = next(iter(view.member_probabilities(view.unlabelled[:1])))
    return sum(1 for _ in answers)


NestedScore = Annotated[
    Score, nested(Score, "score"), BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value)
]
"""A field that is a score, given as its name or as ``{"name": ..., **fields}``."""


@component
class ScoreStrategy(Strategy):
    """Base of the strategies that pick by a score alone; each names its measure.

    source, passes, aggregate: see :class:`Score`. sampling, beta: see :data:`alseg_core.strategies.sampling.Sampling`.
    """

    needs_model: ClassVar[bool] = True
    measure: ClassVar[Measure]
    source: Source | Literal["auto"] = "auto"
    passes: Annotated[int, Field(ge=2)] = 40
    aggregate: Aggregate = "mean"
    sampling: Sampling = "top"
    beta: Annotated[float, Field(gt=0)] = 1.0

    def __post_init__(self) -> None:
        self._score()

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        scores = self._score().of(view, rng)
        return pick(view.unlabelled, scores, budget, self.sampling, self.beta, rng)

    def passes_per_slice(self, members: int) -> int:
        """See :class:`Strategy`."""
        return self._score().passes_per_slice(members)

    def _score(self) -> Score:
        return Score(name=self.measure, source=self.source, passes=self.passes, aggregate=self.aggregate)
