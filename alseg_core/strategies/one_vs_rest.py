"""One-vs-rest entropy: doubt about each class against all others, at the worst pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from alseg_core.metrics.uncertainty import binary_entropy, mean_prediction
from alseg_core.registry import component
from alseg_core.strategies.sampling import best
from alseg_core.strategies.scores import PredictionStrategy, predictions
from alseg_core.strategies.view import View
from alseg_core.vocabulary import Selection

if TYPE_CHECKING:  # strategies are listed without waiting for torch
    from torch import Tensor


@component
class OneVsRest(PredictionStrategy):
    """Slices with the highest one-vs-rest entropy at their most uncertain pixels.

    The entropy of class c is -p log p - (1 - p) log(1 - p) with p its mean probability. A pixel scores the largest,
    or the sum, over the classes, and a slice the mean of the ``share`` of its pixels that score highest. The single
    highest pixel would not rank slices: wherever a boundary runs, some pixel has a probability near 1/2. The paper
    scores superpixels and balances the classes over rounds by those annotated; of these, slices keep the score alone.
    How it combines the classes of a pixel was not open to us: the largest is the plainest reading.
    """

    ranks: ClassVar[bool] = True
    paper: ClassVar[str] = "Wu et al., WACV 2025 (arXiv 2412.06470), score of OREAL"

    classes: Literal["max", "sum"] = "max"
    """How the entropies of a pixel's classes are combined: the largest, or their sum."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Share of a slice's pixels, the highest, that its score is the mean of, in (0, 1]; one pixel at least."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        return best(view.unlabelled, self.scores(view, rng), budget)

    def scores(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return the scores (U,) of the unlabelled slices, in nats."""
        import torch

        parts: list[Tensor] = []
        for members in predictions(view, self.source, self.passes, rng):
            of_classes = binary_entropy(mean_prediction(members))
            pixels = (of_classes.amax(dim=1) if self.classes == "max" else of_classes.sum(dim=1)).flatten(1)
            highest = pixels.topk(max(1, int(pixels.shape[1] * self.share)), dim=1).values
            parts.append(highest.mean(dim=1, dtype=torch.float64))
        return torch.cat(parts).cpu().numpy()
