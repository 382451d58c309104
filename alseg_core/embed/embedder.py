"""Interface of embedders: their context and their result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from alseg_core.data.slices import Slices
from alseg_core.registry import describe
from alseg_core.store import Store, digest


@dataclass(frozen=True, eq=False)
class EmbedContext:
    """What an embedder may use."""

    slices: Slices
    """The pool; row = position."""
    data_key: str
    """Fingerprint of the prepared data."""
    seed: int
    """Root seed of the run; draw from ``seeding.stream(seed, "encoder")``."""
    device: str
    """Torch device."""
    store: Store | None
    """Store of trained encoders and features; None for no store."""
    model: object | None
    """Best network of the previous round; None in the first round and for embedders without ``needs_model``."""
    progress: Callable[[float], None] | None = None
    """Called with the share that is done, in (0, 1]."""


CPU_SECONDS = "embedding_cpu_seconds"
"""Fact of an embedding in the store: the CPU time that making it took, all threads of the process together."""


def pool_key(slices: Slices, data_key: str) -> dict[str, Any]:
    """Return the part of a key in the store that stands for a pool."""
    table = slices.table
    rows = [table.cases, table.patients, table.volume.tolist(), table.z.tolist()]
    return {"data": data_key, "table": digest(rows)}


def store_key(embedder: Embedder, slices: Slices, data_key: str, seed: int) -> dict[str, Any]:
    """Return the key in the store of what ``embedder`` makes of a pool: the pool, the run's seed and its settings."""
    return {**pool_key(slices, data_key), "seed": seed, "settings": describe(embedder)}


@dataclass(frozen=True, eq=False)
class Embedding:
    """Vectors of all slices of a pool."""

    features: NDArray[np.float32]
    """(N, D) float32; row = position."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Plain data for the round's record, the same in a fresh and in a continued run."""


class Embedder(Protocol):
    """Component that turns every slice of a pool into a vector."""

    needs_model: ClassVar[bool]
    """Whether it uses the network of the previous round."""
    paper: ClassVar[str]
    """Source to cite."""

    def check(self) -> None:
        """Raise ConfigError if anything that :meth:`embed` needs, such as a file of weights, is unavailable."""

    def embed(self, context: EmbedContext) -> Embedding:
        """Return the vectors of all slices of ``context.slices``."""


@runtime_checkable
class Encoder(Embedder, Protocol):
    """Embedder with a network that was trained, in the run or before."""

    def untrained(self, context: EmbedContext) -> NDArray[np.float32]:
        """Return the vectors that the network gives with random weights of the seed of the run, to compare with."""
