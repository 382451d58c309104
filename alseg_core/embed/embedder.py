"""What an embedder may use, and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from alseg_core.data.slices import Slices
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


def table_key(context: EmbedContext) -> dict[str, Any]:
    """Identity of the pool and the seed, for the store: a stored entry is found by these and an embedder's settings."""
    table = context.slices.table
    rows = [table.cases, table.patients, table.volume.tolist(), table.z.tolist()]
    return {"data": context.data_key, "table": digest(rows), "seed": context.seed}


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
