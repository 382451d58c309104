"""Random streams by name, derived from one root seed.

A stream depends only on the seed and its names, not on the use of other streams, so a run that continues at round 3
draws what an uninterrupted run would have drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed for the stream ``names`` of the root ``seed``."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the NumPy generator of the stream ``names`` of the root ``seed``."""
    return np.random.default_rng(derive(seed, *names))


def child(rng: np.random.Generator) -> int:
    """Draw a 63-bit seed from ``rng`` for a generator of another library."""
    return int(rng.integers(0, 2**63 - 1))


def torch_generator(rng: np.random.Generator, device: str | torch.device = "cpu") -> torch.Generator:
    """Return a torch generator on ``device``, seeded from ``rng``."""
    return torch.Generator(device=device).manual_seed(child(rng))


@contextmanager
def torch_seeded(seed: int) -> Iterator[None]:
    """Run the block with torch's global generators seeded from ``seed``, then restore their states.

    Weight initialisation and dropout accept no generator; this is the only place that touches the global state.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
