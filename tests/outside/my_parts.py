"""Parts as their author writes them beside a study: nothing of alseg imports this module."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from alseg_core.embed import EmbedContext, Embedding
from alseg_core.registry import component
from alseg_core.strategies import Strategy, View
from alseg_core.vocabulary import Selection


@component
class Brightest(Strategy):
    """The brightest slices, a few of each volume at most."""

    paper: ClassVar[str] = "none"

    most: Annotated[int, Field(ge=1)] = 3
    """Slices of one volume that are preferred to those of others."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        left = view.unlabelled
        light = view.images(left).mean(axis=(1, 2, 3)).astype(np.float64)
        volume = view.table.volume[left]
        rank = np.array([np.sum(light[volume == v] > own) for v, own in zip(volume, light, strict=True)])
        order = np.lexsort((-light, rank >= self.most))[:budget]
        return Selection(left[order], light[order])


@component
class Moments:
    """Mean, standard deviation and, where wanted, higher moments of a slice."""

    needs_model: ClassVar[bool] = False
    paper: ClassVar[str] = "none"

    highest: Annotated[int, Field(ge=2)] = 2
    """Highest central moment."""

    def check(self) -> None:
        """Nothing from outside is needed."""

    def embed(self, context: EmbedContext) -> Embedding:
        """(N, highest) float32."""
        pixels = context.slices.images().reshape(len(context.slices), -1).astype(np.float64)
        mean = pixels.mean(axis=1)
        moments = [((pixels - mean[:, None]) ** order).mean(axis=1) for order in range(2, self.highest + 1)]
        return Embedding(np.stack([mean, *moments], axis=1).astype(np.float32))
