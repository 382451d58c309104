"""Dynamically mixed pseudo-label supervision for scribbles (Luo et al., MICCAI 2022)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from alseg_core.losses.cross_entropy import partial_cross_entropy
from alseg_core.losses.dice import dice_loss
from alseg_core.registry import component


@component
class Dmpls:
    """Scribble loss of two heads: partial cross-entropy of both, and Dice of both to one mixed pseudo label.

    (CE_main + CE_aux) / 2 + weight * (Dice(p_main, y) + Dice(p_aux, y)) / 2 with
    y = argmax(beta p_main + (1 - beta) p_aux), beta ~ U(0, 1) drawn anew each step; no gradient flows through y.
    """

    paper: ClassVar[str] = "Luo et al., MICCAI 2022"
    heads: ClassVar[int] = 2

    weight: Annotated[float, Field(ge=0)] = 0.5
    """Weight of the pseudo-label term, >= 0."""

    def __call__(self, outputs: tuple[Tensor, ...], labels: Tensor, draw: Tensor) -> Tensor:
        """Scalar loss; see :class:`alseg_core.losses.Loss`. Needs two heads."""
        main, aux = outputs[:2]
        marked = 0.5 * (partial_cross_entropy(main, labels) + partial_cross_entropy(aux, labels))
        p_main, p_aux = main.softmax(dim=1), aux.softmax(dim=1)
        mixed = torch.lerp(p_aux.detach(), p_main.detach(), draw)  # beta is the draw
        pseudo = mixed.max(dim=1).indices  # argmax, which takes nine times as long on a CPU
        return marked + self.weight * 0.5 * (dice_loss(p_main, pseudo) + dice_loss(p_aux, pseudo))
