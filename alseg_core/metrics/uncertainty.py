"""Uncertainty of class probabilities, pixel by pixel; higher = less certain.

The measures take the probabilities (B, K, H, W) of the members of an ensemble, or of dropout passes, one at a time, and
go over them once without keeping them. Each returns the scores (B, H, W) and the mean prediction (B, K, H, W).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # strategies are listed without waiting for torch
    from torch import Tensor


def entropy(probabilities: Tensor) -> Tensor:
    """Entropy -sum_c p log p in nats, (B, H, W), of probabilities (B, K, H, W); p = 0 contributes 0."""
    return -probabilities.xlogy(probabilities).sum(dim=1)


def mean_prediction(members: Iterable[Tensor]) -> Tensor:
    """Mean probabilities (B, K, H, W) of the members."""
    count, total = 0, None
    for p in members:
        total = p.clone() if total is None else total.add_(p)
        count += 1
    if total is None:
        raise ValueError("no members to average")
    return total.div_(count)


def predictive_entropy(members: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Entropy of the mean prediction, in nats (Shannon 1948)."""
    mean = mean_prediction(members)
    return entropy(mean), mean


def least_confidence(members: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """1 - probability of the most probable class of the mean prediction, in [0, 1 - 1/K] (Lewis & Gale 1994)."""
    mean = mean_prediction(members)
    return 1 - mean.amax(dim=1), mean


def margin(members: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """1 - (p_(1) - p_(2)) of the two most probable classes of the mean prediction, in [0, 1] (Scheffer et al. 2001)."""
    mean = mean_prediction(members)
    first, second = mean.topk(2, dim=1).values.unbind(dim=1)
    return 1 - (first - second), mean


def variance_ratio(members: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """1 - (votes for the modal class) / M, in [0, 1 - 1/K] (Freeman 1965); 0 everywhere for one member."""
    count, total, votes = 0, None, None
    for p in members:
        total = p.clone() if total is None else total.add_(p)
        votes = p.new_zeros(p.shape) if votes is None else votes
        winner = p.argmax(dim=1, keepdim=True)
        votes.scatter_add_(1, winner, p.new_ones(winner.shape))
        count += 1
    if total is None or votes is None:
        raise ValueError("no members to average")
    return 1 - votes.amax(dim=1) / count, total.div_(count)


def bald(members: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mutual information H(mean_m p_m) - mean_m H(p_m) in nats (Houlsby et al. 2011); 0 everywhere for one member."""
    count, total, spread = 0, None, None
    for p in members:
        total = p.clone() if total is None else total.add_(p)
        spread = entropy(p) if spread is None else spread.add_(entropy(p))
        count += 1
    if total is None or spread is None:
        raise ValueError("no members to average")
    mean = total.div_(count)
    return (entropy(mean) - spread / count).clamp_(min=0), mean  # rounding can leave it just below 0


Measure = Literal["entropy", "least_confidence", "margin", "variance_ratio", "bald"]
"""Names of the measures; see the functions."""

MEASURES: dict[Measure, Callable[[Iterable[Tensor]], tuple[Tensor, Tensor]]] = {
    "entropy": predictive_entropy,
    "least_confidence": least_confidence,
    "margin": margin,
    "variance_ratio": variance_ratio,
    "bald": bald,
}
