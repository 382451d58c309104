"""Soft Dice loss with squared denominators (Milletari et al., 3DV 2016)."""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from alseg_core.losses.cross_entropy import partial_cross_entropy
from alseg_core.quantities import Weight
from alseg_core.registry import OMIT_DEFAULT, component
from alseg_core.vocabulary import IGNORE

SMOOTH = 1e-5
"""Term of numerator and denominator, so that an absent class that is not predicted costs nothing."""


def dice_loss(probabilities: Tensor, labels: Tensor) -> Tensor:
    """1 - mean_c (2 sum p_c t_c + s) / (sum p_c^2 + sum t_c^2 + s), sums over batch and pixels, all classes.

    probabilities: (B, K, H, W). labels: (B, H, W) int64; IGNORE pixels are left out of the sums.
    """
    number = torch.arange(probabilities.shape[1], device=labels.device).view(1, -1, 1, 1)
    target = labels.unsqueeze(1) == number
    p = probabilities * (labels != IGNORE).unsqueeze(1)
    over = (0, 2, 3)
    overlap = (p * target).sum(over)
    score = (2 * overlap + SMOOTH) / (p.square().sum(over) + target.sum(over) + SMOOTH)
    return 1 - score.mean()


@component
class CrossEntropyDice:
    """Cross-entropy and Dice on full masks: w_ce CE + w_dice Dice, half of each as published."""

    heads: ClassVar[int] = 1

    w_ce: Weight = 0.5
    """Weight of the cross-entropy, >= 0."""
    w_dice: Weight = 0.5
    """Weight of the Dice loss, >= 0."""
    balance: Annotated[float, Field(ge=0, le=1)] = dataclasses.field(default=0.0, metadata=OMIT_DEFAULT)
    """Balance of the classes in the cross-entropy at the start, in [0, 1]; 0 = every pixel counts the same."""
    fade: Annotated[float, Field(ge=0, le=1)] = dataclasses.field(default=0.0, metadata=OMIT_DEFAULT)
    """Share of the training over which the balance falls linearly to 0, in [0, 1]; 0 = it stays.

    Balanced classes keep a short training from losing small structures, and make it draw them too large; a balance that
    fades does the first and undoes the second."""

    def __call__(self, outputs: tuple[Tensor, ...], labels: Tensor, draw: Tensor, done: Tensor) -> Tensor:
        """Scalar loss; see :class:`alseg_core.losses.Loss`."""
        logits = outputs[0]
        dice = dice_loss(logits.softmax(dim=1), labels)
        return self.w_ce * partial_cross_entropy(logits, labels, self._balance(done)) + self.w_dice * dice

    def _balance(self, done: Tensor) -> Tensor | float:
        """Return the balance at this point of the training."""
        return self.balance * (1 - done / self.fade).clamp(min=0) if self.balance and self.fade else self.balance
