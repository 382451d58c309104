"""Uncertainty of class probabilities, pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # strategies are listed without waiting for torch
    from torch import Tensor


def entropy(probabilities: Tensor) -> Tensor:
    """Entropy -sum_c p log p in nats, (B, H, W), of probabilities (B, C, H, W); p = 0 contributes 0."""
    return -probabilities.xlogy(probabilities).sum(dim=1)


def mean_entropies(members: Iterable[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Entropies of members that come one at a time as (B, C, H, W), in one pass and without keeping them.

    Returns H(mean_m p_m) and mean_m H(p_m), both (B, H, W), and (B, H, W) bool: the mean predicts foreground.
    The first is the predictive entropy; the difference is BALD (Houlsby et al. 2011; Gal et al. 2017).
    """
    count, total, spread = 0, None, None
    for p in members:
        total = p.clone() if total is None else total.add_(p)
        spread = entropy(p) if spread is None else spread.add_(entropy(p))
        count += 1
    if total is None or spread is None:
        raise ValueError("no members to average")
    return entropy(total / count), spread / count, total.argmax(dim=1) > 0
