"""How fast this machine can be: memory bandwidth and matrix products, measured in the same run as everything else."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Floor:
    """Bytes and operations that some work needs at least, and the seconds that they take at the ceilings."""

    bytes: float
    operations: float
    seconds: float


@dataclass(frozen=True)
class Ceilings:
    """copy: bytes/s read and written by a large copy. read: bytes/s of a sum or of a matrix times a vector.

    matmul: float32 operations/s. half: bfloat16 operations/s, on a GPU alone.
    """

    copy: float
    read: float
    matmul: float
    half: float | None = None

    def floor(self, bytes_: float = 0.0, operations: float = 0.0, reads: bool = False, half: bool = False) -> Floor:
        """reads: the bytes are only read. half: the operations may be done in bfloat16."""
        rate = self.half if half and self.half else self.matmul
        return Floor(bytes_, operations, max(bytes_ / (self.read if reads else self.copy), operations / rate))


def measured(device: str) -> Ceilings:
    """The ceilings of ``device`` at torch's present number of threads."""
    cuda = torch.device(device).type == "cuda"
    count = 1 << (30 if cuda else 26)
    source = torch.ones(count // 4, device=device)
    target = torch.empty_like(source)
    size = source.numel() * source.element_size()
    side = 8192 if cuda else 2048

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
    """Least seconds of ``times`` calls: a ceiling is what is possible."""
    best = float("inf")
    for _ in range(times + 1):
        start = time.perf_counter()
        work()
        if cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best
