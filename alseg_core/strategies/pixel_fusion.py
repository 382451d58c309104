"""Coreset with the pixel term of the released code of Vepa et al."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from alseg_core.geometry.distances import distances_to
from alseg_core.registry import component
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import IGNORE, FloatArray, Selection

BLOCK = 1 << 20
"""Marked pixels that are gathered at a time, so that they stay in cache."""


@component
class PixelFusion(Strategy):
    """Farthest-first traversal by the embedding and by the pixels that the labels of the centres mark.

    d(x, c) = pixel_weight sqrt(sum_p m_c(p) (I_x(p) - I_c(p))^2) / |m_c| + sqrt(copies) ||h_x - h_c||, where m_c are
    the marked pixels of the label bought for the centre c; it is not symmetric. The released code also reads the
    scribbles of slices that nobody has annotated. Here (ours) a centre without marks - picked in this very round, or
    bought without any - has the pixel term pixel_weight rms(I_x - I_c) / sqrt(mean |m| of the bought slices), about
    what so many pixels anywhere would give; with nothing bought it has none. The first slice of all is random. A
    slice's score is the distance it had to the nearest centre when it was picked.

    pixel_weight: 1500 for images in 0..1. copies: how often the embedding counts in the squared distance. The images of
    all candidates are held in memory.
    """

    needs_embedding: ClassVar[bool] = True
    paper: ClassVar[str] = "Vepa et al., NeurIPS 2024, as in the released ACDC configuration"
    pixel_weight: Annotated[float, Field(ge=0)] = 1500.0
    copies: Annotated[float, Field(gt=0)] = 12.0

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        features, candidates = view.embedding(), view.unlabelled
        bought, labels = view.bought()
        marks = (labels != IGNORE).reshape(len(bought), labels.shape[1] * labels.shape[2])
        fusion = _Fusion(
            features[candidates],
            _flat(view.images(candidates)),
            self.pixel_weight,
            self.copies,
            float(marks.sum(axis=1).mean()) if len(bought) else 0.0,
        )
        gap = np.full(len(candidates), np.inf)
        for position, marked in zip(bought, marks, strict=True):
            image = _flat(view.images(np.array([position])))[0]
            np.minimum(gap, fusion.distances(features[position], image, marked), out=gap)

        rows = np.empty(budget, dtype=np.int64)
        gaps = np.empty(budget)
        unmarked = np.zeros(marks.shape[1], dtype=bool)
        free = np.ones(len(candidates), dtype=bool)
        for i in range(budget):
            cold = i == 0 and len(bought) == 0
            row = int(rng.integers(len(candidates))) if cold else int(np.argmax(np.where(free, gap, -1.0)))
            rows[i], gaps[i], free[row] = row, gap[row], False
            np.minimum(gap, fusion.distances(fusion.features[row], fusion.images[row], unmarked), out=gap)
        return Selection(candidates[rows], gaps)


@dataclass(frozen=True, eq=False)
class _Fusion:
    """features (U, D) and images (U, C, P) of the candidates; usual: marked pixels of a bought slice."""

    features: FloatArray
    images: NDArray[np.float32]
    pixel_weight: float
    copies: float
    usual: float

    def distances(
        self, feature: FloatArray, image: NDArray[np.float32], marked: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Distances (U,) of all candidates to a centre: feature (D,), image (C, P), marked (P,) bool."""
        embedded: NDArray[np.float64] = np.sqrt(self.copies) * distances_to(self.features, feature)
        if self.usual == 0 or self.pixel_weight == 0:
            return embedded
        count = int(marked.sum())
        if 0 < count < len(marked):
            term = self._to_marked(image, np.flatnonzero(marked)) / count
        else:
            whole = distances_to(self.images.reshape(len(self.images), -1), image.ravel())
            term = whole / (count or np.sqrt(len(marked) * self.usual))
        return np.asarray(embedded + self.pixel_weight * term)

    def _to_marked(self, image: NDArray[np.float32], pixels: NDArray[np.int64]) -> NDArray[np.float64]:
        wanted = np.take(image, pixels, axis=1)
        length = np.empty(len(self.images))
        step = max(1, BLOCK // wanted.size)
        for start in range(0, len(self.images), step):
            difference = np.take(self.images[start : start + step], pixels, axis=2) - wanted
            length[start : start + step] = np.sqrt(np.einsum("ucp,ucp->u", difference, difference))
        return length


def _flat(images: NDArray[np.float32]) -> NDArray[np.float32]:
    return images.reshape(*images.shape[:2], -1)
