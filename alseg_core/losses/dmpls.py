"""Dynamically mixed pseudo-label supervision for scribbles (Luo et al., MICCAI 2022)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from alseg_core.losses.cross_entropy import partial_cross_entropy
from alseg_core.losses.dice import dice_loss
from alseg_core.quantities import Weight
from alseg_core.registry import component


@component
class Dmpls:
    """Scribble loss of two heads: partial cross-entropy of both, and Dice of both to one mixed pseudo label.

    (CE_main + CE_aux) / 2 + weight * (Dice(p_main, y) + Dice(p_aux, y)) / 2 with
    y = argmax(beta p_main + (1 - beta) p_aux), beta ~ U(0, 1) drawn anew each step; no gradient flows through y.
    """

    paper: ClassVar[str] = "Luo et al., MICCAI 2022"
    heads: ClassVar[int] = 2

    weight: Weight = 0.5
    """Weight of the pseudo-label term, >= 0."""
    ramp: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the training over which the weight grows in, in [0, 1]; 0 = the full weight from the start.

    A pseudo label lacks the classes that the network does not find yet, and teaches it never to find them. The weight
    grows as exp(-5 (1 - t)^2), t being the share of the ramp that is done (Laine and Aila, ICLR 2017)."""
    balance: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Balance of the classes in the cross-entropy, in [0, 1]; 0 = every marked pixel counts the same."""

    def __call__(self, outputs: tuple[Tensor, ...], labels: Tensor, draw: Tensor, done: Tensor) -> Tensor:
        """Scalar loss; see :class:`alseg_core.losses.Loss`. Needs two heads."""
        main, aux = outputs[:2]
        marked = sum(partial_cross_entropy(output, labels, self.balance) for output in (main, aux)) / 2
        p_main, p_aux = main.softmax(dim=1), aux.softmax(dim=1)
        mixed = torch.lerp(p_aux.detach(), p_main.detach(), draw)  # beta is the draw
        pseudo = mixed.max(dim=1).indices  # argmax, which takes nine times as long on a CPU
        return marked + self._weight(done) * 0.5 * (dice_loss(p_main, pseudo) + dice_loss(p_aux, pseudo))

    def _weight(self, done: Tensor) -> Tensor | float:
        """Return the weight of the pseudo-label term at this point of the training."""
        if self.ramp == 0:
            return self.weight
        return self.weight * torch.exp(-5 * (1 - done / self.ramp).clamp(min=0).square())
