"""What passes through a model at a time to answer for given slices: the slices themselves, or their whole volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from alseg_core.data.slices import Slices
from alseg_core.training.inference import chunk_size
from alseg_core.vocabulary import IntArray


@dataclass(frozen=True, eq=False)
class Part:
    """Slices that pass through a model together."""

    positions: IntArray
    """(n,) slices that are asked for."""
    images: Tensor
    """(B, C, H, W) float32 slices that the model needs for that, B >= n, in host memory."""
    rows: Tensor | None
    """(n,) rows of ``images`` that are asked for; None = all, in their order."""

    def rows_of(self, outputs: Tensor) -> Tensor:
        """Return the outputs (n, ...) for the slices that are asked for, of outputs (B, ...)."""
        return outputs if self.rows is None else outputs[self.rows.to(outputs.device)]


def parts(slices: Slices, positions: IntArray, window: int | None, device: str) -> Iterator[Part]:
    """Yield parts that together answer for ``positions`` (n,), any of the slices, in their order.

    window: that of the model. Without one, a part is as many slices as fill the caches of the device; with one, it is
    the volume of neighbouring positions, all its slices in order of z. No volume is passed twice for such neighbours.
    """
    if window is None:
        size = chunk_size(slices.size, device)
        for start in range(0, len(positions), size):
            chunk = positions[start : start + size]
            yield Part(chunk, torch.from_numpy(slices.images(chunk)), None)
        return
    table = slices.table
    ends = np.flatnonzero(np.diff(table.volume[positions])) + 1
    for chunk in np.split(positions, ends) if len(positions) else ():
        whole = table.of_volume(int(table.volume[chunk[0]]))
        rows = None
        if not np.array_equal(chunk, whole):
            rows = torch.from_numpy(np.searchsorted(table.z[whole], table.z[chunk]))
        yield Part(chunk, torch.from_numpy(slices.images(whole)), rows)
