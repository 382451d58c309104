"""Uncertainty of the networks about a slice as one score, and the base of strategies that pick by it alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from alseg_core.errors import ConfigError
from alseg_core.geometry.symmetries import SQUARE
from alseg_core.metrics.uncertainty import Measure, measures
from alseg_core.quantities import Passes, Positive
from alseg_core.registry import component, nested
from alseg_core.strategies.sampling import Sampling, pick
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection

if TYPE_CHECKING:  # strategies are listed without waiting for torch
    from torch import Tensor

Aggregate = Literal["mean", "sum", "top", "foreground"]
"""How the scores of a slice's pixels are aggregated: mean; sum; "top", the mean of the highest 10 %; "foreground", the
mean over the predicted foreground dilated by 3 pixels, 0 if none is predicted (a mean over a mostly empty slice hides
small structures)."""

Source = Literal["members", "dropout", "tta"]
"""Predictions to average and compare: of the ensemble members; of dropout passes of the best member; "tta", test-time
augmentation: of the best member on turned and mirrored slices, turned back (Wang et al., Neurocomputing 2019). All
measures are computed alike, so that their values compare between sources."""

TOP_SHARE = 0.1
"""Share of the pixels that aggregate "top" averages."""

DILATION = 3
"""Pixels by which aggregate "foreground" dilates the predicted foreground."""

OF_DISAGREEMENT = ("variance_ratio", "bald")
"""Measures of disagreement between predictions, which are 0 for a single one."""


def slice_scores(pixels: Tensor, aggregate: Aggregate, foreground: Tensor) -> Tensor:
    """Aggregate pixel scores (B, H, W) to slice scores (B,) float64; foreground: (B, H, W) bool, as predicted."""
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
    """Iterate over chunks of the unlabelled slices in order, each with (B, K, H, W) of all members or passes."""
    if source == "members":
        chunks = view.member_probabilities(view.unlabelled)
    elif source == "dropout":
        chunks = view.dropout_probabilities(view.unlabelled, passes, rng)
    else:
        chunks = view.tta_probabilities(view.unlabelled, passes, rng)
    for _, members in chunks:
        yield members


def predictions_per_slice(source: Source, passes: int, members: int) -> int:
    """Return the number of predictions of each slice when a round trains ``members`` networks."""
    return {"members": members, "dropout": passes, "tta": min(passes, SQUARE)}[source]


def uncertainties(
    view: View, names: Collection[Measure], source: Source, passes: int, aggregate: Aggregate, rng: np.random.Generator
) -> dict[Measure, NDArray[np.float64]]:
    """Score the unlabelled slices by each of the measures, all from one reading of the predictions.

    Returns measure -> scores (U,) in the order of ``view.unlabelled``. passes: number of dropout passes or symmetries,
    if those are the source.
    """
    import torch

    parts: dict[Measure, list[Tensor]] = {name: [] for name in names}
    for members in predictions(view, source, passes, rng):
        pixels, mean = measures(members, names)
        foreground = mean.max(dim=1).indices > 0
        for name, scores in pixels.items():
            parts[name].append(slice_scores(scores, aggregate, foreground))
    # fetched at the end, so that the device keeps computing while the host reads the next slices
    return {name: torch.cat(part).cpu().numpy() for name, part in parts.items()}


@component
class PredictionStrategy(Strategy):
    """Base of the strategies that read the predictions of one source."""

    needs_model: ClassVar[bool] = True

    source: Source = "members"
    """Predictions to average: "members", "dropout" (passes of the best one) or "tta" (turned and mirrored slices)."""
    passes: Passes = 40
    """Number of dropout passes, if those are the source, at least 2; with "tta", of symmetries: all 8 if not fewer."""

    def passes_per_slice(self, members: int) -> int:
        """See :class:`Strategy`."""
        return predictions_per_slice(self.source, self.passes, members)

    def needs_dropout(self, members: int) -> bool:
        """See :class:`Strategy`."""
        return self.source == "dropout"

    def needs_network(self, members: int) -> bool:
        """See :class:`Strategy`."""
        return self.needs_dropout(members)


@component
class Score:
    """A measure of uncertainty as one score per slice.

    Raises ConfigError if a measure of disagreement is combined with source "members", which may be a single network.
    """

    name: Measure = "entropy"
    """Measure of uncertainty."""
    source: Source | Literal["auto"] = "auto"
    """Predictions to score: "members", "dropout" or "tta" (turned and mirrored slices); "auto" is the members, or
    dropout passes if a measure of disagreement meets one member."""
    passes: Passes = 40
    """Number of dropout passes, if those are the source, at least 2; with "tta", of symmetries: all 8 if not fewer."""
    aggregate: Aggregate = "mean"
    """How pixel scores become a slice score: mean, sum, top (highest 10 %) or foreground (dilated prediction)."""

    def __post_init__(self) -> None:
        if self.name in OF_DISAGREEMENT and self.source == "members":
            raise ConfigError(
                f"score {self.name!r} is the disagreement of several predictions, and 'members' may be a single "
                "network; source is 'auto' (members where there are several, otherwise dropout), 'dropout' or 'tta'."
            )

    def of(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        """Score the unlabelled slices, (U,) in their order; higher is less certain, never negative."""
        source = self._source(lambda: _members(view))
        return uncertainties(view, (self.name,), source, self.passes, self.aggregate, rng)[self.name]

    def passes_per_slice(self, members: int) -> int:
        """See :meth:`Strategy.passes_per_slice`."""
        return predictions_per_slice(self._source(lambda: members), self.passes, members)

    def needs_dropout(self, members: int) -> bool:
        """See :meth:`Strategy.needs_dropout`."""
        return self._source(lambda: members) == "dropout"

    def _source(self, members: Callable[[], int]) -> Source:
        """Resolve "auto"; ``members`` counts the networks and is called only if the answer depends on it."""
        if self.source != "auto":
            return self.source
        return "members" if self.name not in OF_DISAGREEMENT or members() > 1 else "dropout"


def _members(view: View) -> int:
    """Count the ensemble members by their predictions of one slice, as a view does not give their number."""
    _, answers = next(iter(view.member_probabilities(view.unlabelled[:1])))
    return sum(1 for _ in answers)


NestedScore = Annotated[
    Score, nested(Score, "score"), BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value)
]
"""Field that holds a score, given by name or as ``{"name": ..., **fields}``."""


@component
class ScoreStrategy(Strategy):
    """Base of the strategies that pick by a score alone; each sets its ``measure``."""

    needs_model: ClassVar[bool] = True
    ranks: ClassVar[bool] = True
    measure: ClassVar[Measure]
    """Measure of uncertainty."""

    source: Source | Literal["auto"] = "auto"
    """Predictions to score: "members", "dropout", "tta" (turned and mirrored slices), "auto" as in :class:`Score`."""
    passes: Passes = 40
    """Number of dropout passes, if those are the source, at least 2; with "tta", of symmetries: all 8 if not fewer."""
    aggregate: Aggregate = "mean"
    """How pixel scores become a slice score: mean, sum, top (highest 10 %) or foreground (dilated prediction)."""
    sampling: Sampling = "top"
    """How slices are drawn by score: "top" takes the highest; "power", "softmax" and "softrank" draw at random."""
    beta: Positive = 1.0
    """Sharpness of the random draws, > 0; larger is closer to "top"."""

    def __post_init__(self) -> None:
        self._score()

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        scores = self._score().of(view, rng)
        return pick(view.unlabelled, scores, budget, self.sampling, self.beta, rng)

    def passes_per_slice(self, members: int) -> int:
        """See :class:`Strategy`."""
        return self._score().passes_per_slice(members)

    def needs_dropout(self, members: int) -> bool:
        """See :class:`Strategy`."""
        return self._score().needs_dropout(members)

    def needs_network(self, members: int) -> bool:
        """See :class:`Strategy`."""
        return self.needs_dropout(members)

    def _score(self) -> Score:
        return Score(name=self.measure, source=self.source, passes=self.passes, aggregate=self.aggregate)
