"""Cross-entropy on marked pixels."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from alseg_core.registry import component
from alseg_core.vocabulary import IGNORE


def partial_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over the marked pixels; 0 if there are none.

    logits: (B, K, H, W). labels: (B, H, W) int64, IGNORE = unmarked (Tang et al., CVPR 2018).
    """
    total = functional.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1)


@component
class PartialCrossEntropy:
    """Cross-entropy of the main head on marked pixels."""

    heads: ClassVar[int] = 1

    def __call__(self, outputs: tuple[Tensor, ...], labels: Tensor, draw: Tensor) -> Tensor:
        """Scalar loss; see :class:`alseg_core.losses.Loss`."""
        return partial_cross_entropy(outputs[0], labels)
