"""What an embedder may use, and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from alseg_core.data.slices import Slices
from alseg_core.registry import describe
from alseg_core.store import Store, digest


@dataclass(frozen=True, eq=False)
class EmbedContext:
    """What an embedder may use.

    slices: the pool. data_key: fingerprint of the prepared data. seed: root seed of the run. device: torch device.
    store: where trained encoders are kept, None = nowhere. model: the network trained last, None before the first
    round. progress: called with the share that is done.
    """

    slices: Slices
    data_key: str
    seed: int
    device: str
    store: Store | None
    model: object | None
    progress: Callable[[float], None] | None = None


def store_key(embedder: Embedder, slices: Slices, data_key: str, seed: int) -> dict[str, Any]:
    """Return the key in the store of what ``embedder`` makes of a pool: the pool, the run's seed and its settings."""
    table = slices.table
    rows = [table.cases, table.patients, table.volume.tolist(), table.z.tolist()]
    return {"data": data_key, "table": digest(rows), "seed": seed, "settings": describe(embedder)}


@dataclass(frozen=True, eq=False)
class Embedding:
    """features: (N, D) float32, row = position. facts: plain data, the same in a fresh and in a continued run."""

    features: NDArray[np.float32]
    facts: dict[str, Any] = field(default_factory=dict)


class Embedder(Protocol):
    """Component that turns every slice of a pool into a vector. needs_model: whether it asks for a trained network."""

    needs_model: ClassVar[bool]
    paper: ClassVar[str]

    def check(self) -> None:
        """Raise ConfigError now for what :meth:`embed` needs from outside and could not have later."""

    def embed(self, context: EmbedContext) -> Embedding:
        """Vectors of all slices of ``context.slices``."""
