"""Coreset with the pixel term of the released code of Vepa et al."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from alseg_core.geometry.distances import pair_distances
from alseg_core.geometry.euclid import Euclid
from alseg_core.geometry.farthest import farthest_first, spread_out
from alseg_core.quantities import Positive, Weight
from alseg_core.registry import component
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import IGNORE, FloatArray, IntArray, Selection

PIXELS = 1 << 17
"""Number of marked pixels to gather at a time, so that they stay in cache."""

ROWS = 512
"""Number of candidates to compare with a block of centres at a time."""


@component
class PixelFusion(Strategy):
    """Farthest-first traversal by the embedding and by the pixels that the labels of the centres mark.

    d(x, c) = pixel_weight sqrt(sum_p m_c(p) (I_x(p) - I_c(p))^2) / |m_c| + sqrt(copies) ||h_x - h_c||, where m_c are
    the marked pixels of the label bought for the centre c; it is not symmetric. The released code also reads the
    scribbles of slices that nobody has annotated. Instead (our change), a centre without marks - picked in the current
    round, or bought without any - has the pixel term pixel_weight rms(I_x - I_c) / sqrt(mean |m| of the bought slices),
    about the value of an average number of marks at random places; while nothing is bought, the term is 0. The first
    slice of a run is random. The score of a pick is its distance to the nearest centre at that moment. The images of
    all candidates and bought slices are held in memory.
    """

    needs_embedding: ClassVar[bool] = True
    paper: ClassVar[str] = "Vepa et al., NeurIPS 2024, as in the released ACDC configuration"

    pixel_weight: Weight = 1500.0
    """Weight of the pixel term, >= 0; the default suits images in 0..1."""
    copies: Positive = 12.0
    """Weight of the squared distance in the embedding, > 0: how many copies of the embedding are compared."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        candidates, (bought, labels) = view.unlabelled, view.bought()
        positions = np.concatenate([candidates, bought])
        images = view.images(positions)
        fusion = Fusion(
            view.embedding()[positions],
            images.reshape(*images.shape[:2], -1),
            (labels != IGNORE).reshape(len(bought), labels.shape[1] * labels.shape[2]),
            self.pixel_weight,
            self.copies,
            view.device,
        )
        first = None if len(bought) else int(rng.integers(len(candidates)))
        rows, gaps = farthest_first(fusion, len(candidates), budget, first)
        return Selection(candidates[rows], gaps)


@dataclass(frozen=True, eq=False)
class _Centre:
    """One centre of the traversal."""

    row: int
    """Row of features and images."""
    scale: float
    """Factor of the pixel term."""
    pixels: IntArray | None
    """Pixels that the pixel term compares; None for all."""
    wholes: int
    """Number of earlier centres that compare all pixels."""


class Fusion:
    """The metric of :class:`PixelFusion`, a :class:`alseg_core.geometry.farthest.Metric`.

    features: (U + L, D) and images (U + L, C, P), U candidates before L bought slices. marks: (L, P) bool. Products
    give bounds that show which pairs can matter; their distances are computed from differences in float64. No pixel is
    read for a pair whose embeddings alone are too far apart.
    """

    def __init__(
        self,
        features: FloatArray,
        images: NDArray[np.float32],
        marks: NDArray[np.bool_],
        pixel_weight: float,
        copies: float,
        device: str,
    ) -> None:
        candidates = np.arange(len(features) - len(marks))
        self._features = features
        self._images = np.ascontiguousarray(images).reshape(len(images), -1)
        self._size = images.shape[2]
        self._channels = np.arange(images.shape[1])[:, None] * self._size
        self._root = float(np.sqrt(copies))
        usual = float(marks.sum(axis=1).mean()) if len(marks) else 0.0
        self._weight = pixel_weight
        self._unmarked = pixel_weight / float(np.sqrt(self._size * usual)) if usual else 0.0
        read = self._images if usual and pixel_weight else self._images[:, :0]  # no pixel matters otherwise
        self._embedded = Euclid(features, candidates, candidates[:0], device)
        self._whole = Euclid(read, candidates, candidates[:0], device)
        self._centres: list[_Centre] = []
        order = spread_out(np.arange(len(marks)))
        self._add(len(candidates) + order, [np.flatnonzero(marks[i]) for i in order])

    def __len__(self) -> int:
        return len(self._centres)

    def join(self, row: int) -> None:
        """See :class:`alseg_core.geometry.farthest.Metric`."""
        self._add(np.array([row]), [np.zeros(0, dtype=np.int64)])

    def tighten(self, rows: IntArray, bounds: NDArray[np.float64], start: int, stop: int) -> NDArray[np.float64]:
        """See :class:`alseg_core.geometry.farthest.Metric`."""
        result = np.array(bounds)
        for begin in range(0, len(rows), ROWS):
            part = slice(begin, begin + ROWS)
            self._tighten(rows[part], result[part], start, stop)
        return result

    def _add(self, rows: IntArray, marked: list[IntArray]) -> None:
        """Make rows centres, given the marked pixels of each."""
        wholes: list[int] = []
        for row, pixels in zip(rows.tolist(), marked, strict=True):
            scale = self._weight / len(pixels) if len(pixels) else self._unmarked
            whole = len(pixels) in (0, self._size) and scale > 0
            read = None if whole else pixels if scale > 0 else pixels[:0]
            self._centres.append(_Centre(row, scale, read, len(self._whole) + len(wholes)))
            if whole:
                wholes.append(row)
        self._embedded.add(rows)
        self._whole.add(np.array(wholes, dtype=np.int64))

    def _tighten(self, rows: IntArray, bounds: NDArray[np.float64], start: int, stop: int) -> None:
        """Lower ``bounds`` in place."""
        centres = self._centres[start:stop]
        low, high = (self._root * d for d in _between(*self._embedded.squares(rows, start, stop)))
        whole = np.array([k for k, centre in enumerate(centres) if centre.pixels is None], dtype=np.int64)
        if len(whole):
            first = centres[0].wholes
            squares = self._whole.squares(rows, first, first + len(whole))
            least, most = (d * np.array([centres[k].scale for k in whole]) for d in _between(*squares))
            reach = np.minimum(bounds, (high[:, whole] + most).min(axis=1))
            near, k = np.nonzero(~(low[:, whole] + least > reach[:, None]))  # NaN counts as near
            for one in np.unique(k):
                lower = near[k == one]
                bounds[lower] = np.minimum(bounds[lower], self._distances(rows[lower], centres[whole[one]]))
        for k in np.argsort(low.mean(axis=0)):  # near ones first, they exclude more of the others
            if centres[k].pixels is not None:
                near = np.flatnonzero(~(low[:, k] >= bounds))
                bounds[near] = np.minimum(bounds[near], self._distances(rows[near], centres[k]))

    def _distances(self, rows: IntArray, centre: _Centre) -> NDArray[np.float64]:
        """Distances (b,) of candidates to a centre, computed from differences."""
        at = np.full(len(rows), centre.row)
        embedded = self._root * pair_distances(self._features, rows, self._features, at)
        if centre.pixels is None:
            return embedded + centre.scale * pair_distances(self._images, rows, self._images, at)
        pixels = (self._channels + centre.pixels).ravel()
        wanted = self._images[centre.row, pixels].astype(np.float64)
        length = np.empty(len(rows))
        step = max(1, PIXELS // max(1, len(pixels)))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            places = (rows[part] * self._images.shape[1])[:, None] + pixels
            difference = self._images.reshape(-1).take(places) - wanted
            length[part] = np.sqrt(np.einsum("up,up->u", difference, difference))
        return embedded + centre.scale * length


def _between(squares: NDArray[np.float64], slack: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Bound distances (b, l) from below and above, given squared ones up to a slack (b,)."""
    return [np.sqrt(np.maximum(squares + sign * slack[:, None], 0)) for sign in (-1, 1)]
