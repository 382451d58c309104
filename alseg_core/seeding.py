"""One root seed, many named streams.

A stream depends on the seed and its names alone, never on how often another stream was used, so a run that continues
at round 3 draws what an undisturbed run would have drawn there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream ``names`` of the root ``seed``."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """NumPy generator of the stream ``names`` of the root ``seed``."""
    return np.random.default_rng(derive(seed, *names))


def child(rng: np.random.Generator) -> int:
    """A 63-bit seed drawn from ``rng``, to start a generator of another library."""
    return int(rng.integers(0, 2**63 - 1))


def torch_generator(rng: np.random.Generator, device: str | torch.device = "cpu") -> torch.Generator:
    """Torch generator on ``device``, started from ``rng``."""
    return torch.Generator(device=device).manual_seed(child(rng))


@contextmanager
def torch_seeded(seed: int) -> Iterator[None]:
    """Run the block with torch's global generators started from ``seed`` and put them back afterwards.

    Weight initialisation and dropout take no generator; this is the only place where the global state is touched.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
