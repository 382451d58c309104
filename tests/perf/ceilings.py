"""Upper limits of this machine: memory bandwidth and matrix products, measured in the same run as everything else."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Floor:
    """Least bytes and operations that a piece of work needs, and the seconds they take at the ceilings."""

    bytes: float
    operations: float
    seconds: float


@dataclass(frozen=True)
class Ceilings:
    """Highest rates measured on this machine."""

    copy: float
    """Bytes per second read and written by a large copy."""
    read: float
    """Bytes per second read by a sum, or by a matrix times a vector."""
    matmul: float
    """Operations per second of a matrix product in float32."""
    half: float | None = None
    """Operations per second of a matrix product in bfloat16; None on a CPU."""

    def floor(self, bytes_: float = 0.0, operations: float = 0.0, reads: bool = False, half: bool = False) -> Floor:
        """Return the floor of some work. reads: bytes are only read. half: operations may be done in bfloat16."""
        rate = self.half if half and self.half else self.matmul
        return Floor(bytes_, operations, max(bytes_ / (self.read if reads else self.copy), operations / rate))


def measured(device: str, short: bool = False) -> Ceilings:
    """Measure the ceilings of ``device`` with torch's current number of threads.

    short: take a sixteenth of the bytes and operations, and lower ceilings with them, where seconds count more.
    """
    cuda = torch.device(device).type == "cuda"
    count = 1 << ((30 if cuda else 26) - (4 if short else 0))
    source = torch.ones(count // 4, device=device)
    target = torch.empty_like(source)
    size = source.numel() * source.element_size()
    side = (8192 if cuda else 2048) // (4 if short else 1)

    def product(dtype: torch.dtype) -> float:
        a, b = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
        return 2 * side**3 / _best(lambda: a @ b, cuda)

    matrix, vector = source.view(-1, 4096), torch.ones(4096, device=device)
    return Ceilings(
        copy=2 * size / _best(lambda: target.copy_(source), cuda),
        read=size / min(_best(lambda: source.sum(), cuda), _best(lambda: matrix @ vector, cuda)),
        matmul=product(torch.float32),
        half=product(torch.bfloat16) if cuda else None,
    )


def _best(work: Callable[[], object], cuda: bool, times: int = 10) -> float:
    """Return the seconds of the fastest of ``times`` calls: a ceiling is what is possible."""
    best = float("inf")
    for _ in range(times + 1):
        start = time.perf_counter()
        work()
        if cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best
