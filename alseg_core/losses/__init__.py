"""Segmentation losses as components: ``loss(outputs, labels, draw)`` of the network's outputs and the labels."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from alseg_core.losses.cross_entropy import PartialCrossEntropy
from alseg_core.losses.dice import CrossEntropyDice
from alseg_core.losses.dmpls import Dmpls
from alseg_core.registry import Registry


@runtime_checkable
class Loss(Protocol):
    """outputs: logits (B, K, H, W) of each head in float32, the main one first; labels: (B, H, W), IGNORE = unmarked.

    draw: () uniform in [0, 1), another one each step. A loss is part of a step that a GPU replays, so that it asks the
    host for nothing: no ``item()``, no ``if`` on a tensor.
    """

    def __call__(self, outputs: tuple[Tensor, ...], labels: Tensor, draw: Tensor) -> Tensor:
        """Scalar loss."""
        ...


LOSSES: Registry[Loss] = Registry(
    "loss", {"ce_dice": CrossEntropyDice, "partial_ce": PartialCrossEntropy, "dmpls": Dmpls}, Loss
)
