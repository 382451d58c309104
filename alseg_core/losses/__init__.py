"""Segmentation losses as components: ``loss(outputs, labels, rng)`` of the network's outputs and the labels."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from alseg_core.losses.cross_entropy import PartialCrossEntropy
from alseg_core.losses.dice import CrossEntropyDice
from alseg_core.losses.dmpls import Dmpls
from alseg_core.registry import Registry


@runtime_checkable
class Loss(Protocol):
    """outputs: logits (B, K, H, W) of each head, the main one first; labels: (B, H, W) int64, IGNORE = unmarked."""

    def __call__(self, outputs: tuple[Tensor, ...], labels: Tensor, rng: np.random.Generator) -> Tensor:
        """Scalar loss."""
        ...


LOSSES: Registry[Loss] = Registry(
    "loss", {"ce_dice": CrossEntropyDice, "partial_ce": PartialCrossEntropy, "dmpls": Dmpls}
)
