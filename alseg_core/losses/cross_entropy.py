"""Cross-entropy on marked pixels."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from alseg_core.registry import component
from alseg_core.vocabulary import IGNORE


def partial_cross_entropy(logits: Tensor, labels: Tensor, balance: float | Tensor = 0.0) -> Tensor:
    """Mean cross-entropy over the marked pixels; 0 if there are none.

    logits: (B, K, H, W). labels: (B, H, W) int64, IGNORE = unmarked (Tang et al., CVPR 2018). balance: a pixel of class
    c counts n_c^-balance in the mean, with n_c marked pixels of the class in the batch: 0 for equal pixels, 1 for equal
    classes; a scalar tensor where it changes during a training.
    """
    if not isinstance(balance, Tensor) and balance == 0:
        total = functional.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="sum")
        return total / (labels != IGNORE).sum().clamp(min=1)
    number = torch.arange(logits.shape[1], device=labels.device).view(-1, 1)
    counts = (labels.flatten() == number).sum(dim=1)
    weight = counts.clamp(min=1).to(logits.dtype).pow(-balance)
    total = functional.cross_entropy(logits, labels, weight, ignore_index=IGNORE, reduction="sum")
    return total / (weight * counts).sum().clamp(min=1e-12)


@component
class PartialCrossEntropy:
    """Cross-entropy of the main head on marked pixels."""

    heads: ClassVar[int] = 1

    balance: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Balance of the classes, in [0, 1]; see :func:`partial_cross_entropy`."""

    def __call__(self, outputs: tuple[Tensor, ...], labels: Tensor, draw: Tensor, done: Tensor) -> Tensor:
        """Scalar loss; see :class:`alseg_core.losses.Loss`."""
        return partial_cross_entropy(outputs[0], labels, self.balance)
