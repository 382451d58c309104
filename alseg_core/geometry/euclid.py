"""Euclidean distances to a growing list of centres: bounded by products, computed from differences where needed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alseg_core.geometry.distances import pair_distances
from alseg_core.vocabulary import FloatArray, IntArray

if TYPE_CHECKING:  # strategies are listed without waiting for torch
    from torch import Tensor

BLOCK_BYTES = 1 << 21
"""Size of a block of features or of products with centres on the CPU, in bytes, which stays in cache."""

DEVICE_BYTES = 1 << 28
"""Size of such a block on a GPU, in bytes, where each block is one launch."""

ROWS = 32
"""Smallest number of rows in a block, for each of which all centres are read once."""

SAMPLE = 32
"""Largest number of rows in the sample that estimates mean and spread of the features."""

LOSS = 5e-2
"""Error of squared distances in float32, as a share of the spread, above which products are computed in float64."""


class Euclid:
    """Distances of the rows ``rows`` (U,) of features (N, D) to centres, which are rows of features as well.

    A :class:`alseg_core.geometry.farthest.Metric`. |x|^2 - 2xc + |c|^2 with a bound of its rounding error shows which
    centres can be the nearest; the distances to those are computed from differences in float64. features: float32 or
    float64 (others become float32), never copied on the CPU. device: where products are computed, and where features
    are kept if they fit.
    """

    def __init__(self, features: FloatArray, rows: IntArray, centres: IntArray, device: str = "cpu") -> None:
        import torch

        from alseg_core.device.feed import placed

        if features.dtype not in (np.float32, np.float64):
            features = features.astype(np.float32)
        self._features = features
        self._rows = rows
        self._device = torch.device(device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch warns of read-only arrays, which are not written to
            (self._x,) = placed([torch.from_numpy(features)], self._device)
        dimension = features.shape[1]
        self._bytes = BLOCK_BYTES if self._device.type == "cpu" else DEVICE_BYTES
        self._step = max(ROWS, self._bytes // max(1, features.itemsize * dimension))
        self._dtype = torch.float64 if self._blurred() else self._x.dtype
        # bound of the rounding error of the dot product (D eps / 2) and of the other operations, with a margin
        self._unit = (dimension + 32) * torch.finfo(self._dtype).eps
        self._norm = torch.empty(len(features), dtype=torch.float64, device=self._device)
        for start in range(0, len(features), self._step):
            part = slice(start, start + self._step)
            self._norm[part] = _squares(self._x[part].to(self._device))
        self._centre = np.zeros(0, dtype=np.int64)
        self._c = torch.empty((0, dimension), dtype=self._dtype, device=self._device)
        self._c_norm = torch.empty(0, dtype=torch.float64, device=self._device)
        self._count = 0
        self.add(centres)

    def __len__(self) -> int:
        return self._count

    def add(self, centres: IntArray) -> None:
        """Add rows (l,) of the features as centres."""
        end = self._count + len(centres)
        if end > len(self._centre):
            self._grow(max(end, 2 * len(self._centre)))
        new = slice(self._count, end)
        self._centre[new] = centres
        self._c[new] = self._at(centres).to(self._dtype)
        self._c_norm[new] = _squares(self._c[new])
        self._count = end

    def join(self, row: int) -> None:
        """See :class:`alseg_core.geometry.farthest.Metric`."""
        self.add(self._rows[row : row + 1])

    def tighten(self, rows: IntArray, bounds: NDArray[np.float64], start: int, stop: int) -> NDArray[np.float64]:
        """See :class:`alseg_core.geometry.farthest.Metric`. rows: candidates, 0..U-1."""
        wanted = self._rows[rows]
        result = np.array(bounds, dtype=np.float64)
        for part in self._parts(len(rows), stop - start):
            result[part] = self._tightened(wanted[part], result[part], start, stop)
        return result

    def apart(self, rows: IntArray, row: int) -> NDArray[np.float64]:
        """Distances (b,) of candidates to one of them, from differences in the precision of the features."""
        import torch

        point = self._at(self._rows[row : row + 1])
        result = np.empty(len(rows))
        for part in self._parts(len(rows), 1):
            result[part] = torch.linalg.vector_norm(self._at(self._rows[rows[part]]) - point, dim=1).cpu().numpy()
        return result

    def squares(self, rows: IntArray, start: int, stop: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Squared distances (b, l) of candidates to centres start..stop-1 by products, and error bounds (b,)."""
        result, slack = np.empty((len(rows), stop - start)), np.empty(len(rows))
        for part in self._parts(len(rows), stop - start):
            partial, norm, rounding = self._products(self._rows[rows[part]], start, stop)
            result[part], slack[part] = (partial + norm[:, None]).cpu().numpy(), rounding.cpu().numpy()
        return result, slack

    def _parts(self, size: int, centres: int) -> Iterator[slice]:
        step = max(1, min(self._step, self._bytes // (8 * centres)))
        for start in range(0, size, step):
            yield slice(start, start + step)

    def _products(self, rows: IntArray, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
        """|c|^2 - 2xc (b, l), |x|^2 (b,), and bounds (b,) of the error of their sum, for rows of the features."""
        import torch

        norm = self._norm[torch.from_numpy(rows).to(self._device)]
        c_norm = self._c_norm[start:stop]
        x, c = self._at(rows).to(self._dtype), self._c[start:stop]
        with _full_precision():
            partial = torch.addmm(c_norm.to(c.dtype), x, c.T, alpha=-2)
        return partial, norm, self._unit * (norm + c_norm.max())

    def _tightened(self, rows: IntArray, bounds: NDArray[np.float64], start: int, stop: int) -> NDArray[np.float64]:
        import torch

        partial, norm, slack = self._products(rows, start, stop)
        known = torch.from_numpy(bounds).to(self._device)
        limit = torch.minimum(known.square(), partial.amin(dim=1) + norm + slack) + slack - norm
        limit = torch.nextafter(limit.to(partial.dtype), torch.full_like(limit, torch.inf, dtype=partial.dtype))
        near = (~(partial > limit[:, None])).nonzero().cpu().numpy()  # NaN counts as near
        if len(near):
            np.minimum.at(bounds, near[:, 0], self._distances(rows[near[:, 0]], self._centre[start + near[:, 1]]))
        return bounds

    def _distances(self, i: IntArray, j: IntArray) -> NDArray[np.float64]:
        """Distances (p,) between rows of the features, from the differences."""
        if self._device.type == "cpu":
            return pair_distances(self._features, i, self._features, j)
        parts = [slice(start, start + self._step) for start in range(0, len(i), self._step)]
        differences = (self._at(i[part]).double() - self._at(j[part]).double() for part in parts)
        return np.concatenate([difference.norm(dim=1).cpu().numpy() for difference in differences])

    def _at(self, rows: IntArray) -> Tensor:
        """Rows (b,) of the features, on the device."""
        import torch

        if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
            chosen = self._x[int(rows[0]) : int(rows[-1]) + 1]  # contiguous rows need no copy
        else:
            chosen = self._x.index_select(0, torch.from_numpy(rows).to(self._x.device))
        return chosen.to(self._device)

    def _blurred(self) -> bool:
        """Whether float32 products are too coarse for distances: long features, or features far from the origin."""
        sample = self._features[:: -(-len(self._features) // SAMPLE)].astype(np.float64)
        mean = sample.mean(axis=0)
        spread = float(np.square(sample - mean).sum(axis=1).mean())
        unit = self._features.shape[1] * float(np.finfo(np.float32).eps)
        return not unit * (float(mean @ mean) + spread) <= LOSS * spread

    def _grow(self, size: int) -> None:
        import torch

        room = size - len(self._centre)
        self._centre = np.concatenate([self._centre, np.empty(room, dtype=np.int64)])
        self._c = torch.cat([self._c, self._c.new_empty((room, self._c.shape[1]))])
        self._c_norm = torch.cat([self._c_norm, self._c_norm.new_empty(room)])


def _squares(x: Tensor) -> Tensor:
    """Squared lengths (b,) float64 of the rows of x (b, D)."""
    import torch

    squares: Tensor = torch.linalg.vector_norm(x, dim=1, dtype=torch.float64).square()
    return squares


@contextmanager
def _full_precision() -> Iterator[None]:
    """Compute float32 products in full precision, not TF32 or bfloat16, within the block."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
