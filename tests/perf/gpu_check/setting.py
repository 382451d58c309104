"""What a part is given, and what several parts need of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from alseg_core.device.precision import Precision
from alseg_core.losses.dice import CrossEntropyDice
from alseg_core.losses.dmpls import Dmpls
from alseg_core.training import NetworkTrainer
from alseg_core.training.batches import TrainingSet
from ceilings import Ceilings
from gpu_check.scale import Scale
from loops import NEVER
from material import Volumes, volumes
from measure import Bench, peak_memory

UNKNOWN = Ceilings(math.nan, math.nan, math.nan)
"""Ceilings that could not be measured; floors that follow from them are unknown, too."""
BATCH = 6
"""Slices of a step, as in the paper's protocol."""


@dataclass(frozen=True, eq=False)
class Setting:
    """Device, data and sizes of all parts."""

    bench: Bench
    scale: Scale

    @property
    def device(self) -> str:
        """Device of the package's side."""
        return self.bench.device

    def volumes(self) -> Volumes:
        """Return the volumes that were given, or generated ones, which are in the scratch folder after a first call."""
        return volumes(self.bench, self.scale.patients, self.scale.side)

    def trainer(
        self, marked: bool, every: int = NEVER, precision: Precision = "auto", still: bool = False, lr: float = 0.01
    ) -> NetworkTrainer:
        """Return the trainer for scribbles if ``marked``, else for full masks. still: without dropout."""
        return NetworkTrainer(
            network=self.scale.dmpls(still) if marked else self.scale.full(still),
            loss=Dmpls() if marked else CrossEntropyDice(),
            batch=BATCH,
            validate_every=every,
            precision=precision,
            lr=lr,
        )

    @contextmanager
    def peak(self) -> Iterator[Callable[[], float | None]]:
        """Yield a function that returns the peak of memory in bytes: see :attr:`gpu_check.answer.Answer.memory`."""
        if not self.bench.cuda:
            with peak_memory() as added:
                yield added
            return
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        yield lambda: float(torch.cuda.max_memory_reserved())


def flat_set(images: np.ndarray, labels: np.ndarray, device: str) -> TrainingSet:
    """Return a training set of single slices (N, C, H, W) with labels (N, H, W)."""
    return TrainingSet.of(images, labels, np.zeros(len(images), np.int64), np.arange(len(images)), device)


def trained_weights(module: torch.nn.Module) -> Tensor:
    """Return all weights that are trained as one vector (W,) float64 on the CPU."""
    return torch.cat([weight.detach().double().flatten().cpu() for weight in module.parameters()])
