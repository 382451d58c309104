"""Segmentation losses as components: ``loss(outputs, labels, draw, done)`` of outputs, labels and the step."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from torch import Tensor

from alseg_core.losses.cross_entropy import PartialCrossEntropy
from alseg_core.losses.dice import CrossEntropyDice
from alseg_core.losses.dmpls import Dmpls
from alseg_core.registry import Registry


@runtime_checkable
class Loss(Protocol):
    """Component that compares the outputs of a network with labels.

    A loss is part of a step that a GPU replays, so it must not ask the host for anything: no ``item()``, no ``if`` on a
    tensor.
    """

    heads: ClassVar[int]
    """Number of outputs that the loss needs from the network."""

    def __call__(self, outputs: tuple[Tensor, ...], labels: Tensor, draw: Tensor, done: Tensor) -> Tensor:
        """Return the scalar loss.

        outputs: logits (B, K, H, W) of each head in float32, the main one first. labels: (B, H, W) int64, IGNORE =
        unmarked. draw: () float32, uniform in [0, 1), drawn anew each step. done: () float32, share of the training
        steps that are done, in [0, 1).
        """
        ...


LOSSES: Registry[Loss] = Registry(
    "loss", {"ce_dice": CrossEntropyDice, "partial_ce": PartialCrossEntropy, "dmpls": Dmpls}, Loss
)
