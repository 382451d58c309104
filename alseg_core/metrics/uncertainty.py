"""Uncertainty of class probabilities, pixel by pixel; higher = less certain.

The probabilities (B, K, H, W) of the members of an ensemble, or of dropout passes, arrive one at a time and are not
kept: :func:`measures` computes any set of measures in a single pass.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # strategies are listed without waiting for torch
    from torch import Tensor

Measure = Literal["entropy", "least_confidence", "margin", "variance_ratio", "bald"]
"""Names of the measures; see the functions."""

TINY = 1e-37
"""Smallest probability under a logarithm, so that 0 log 0 = 0; just above float32's smallest normal number."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Result of one pass over M members."""

    count: int
    """M."""
    mean: Tensor
    """Mean probabilities, (B, K, H, W)."""
    votes: Tensor | None
    """Number of members whose most probable class it is, (B, K, H, W); None if no measure needs it."""
    spread: Tensor | None
    """Sum of the members' entropies, (B, H, W); None if no measure needs it."""


def measures(members: Iterable[Tensor], names: Collection[Measure]) -> tuple[dict[Measure, Tensor], Tensor]:
    """Return pixel scores (B, H, W) by each measure, and the mean prediction (B, K, H, W), in one pass.

    members: (B, K, H, W) each, not modified. Raises ValueError if there are none.
    """
    sums = _sums(members, votes="variance_ratio" in names, spread="bald" in names)
    return {name: MEASURES[name](sums) for name in names}, sums.mean


def mean_prediction(members: Iterable[Tensor]) -> Tensor:
    """Return the mean probabilities (B, K, H, W) of the members."""
    return _sums(members, votes=False, spread=False).mean


def entropy(probabilities: Tensor) -> Tensor:
    """Entropy -sum_c p log p in nats, (B, H, W), of probabilities (B, K, H, W); p = 0 contributes 0."""
    return probabilities.clamp_min(TINY).log_().mul_(probabilities).sum(dim=1).neg_()


def binary_entropy(probabilities: Tensor) -> Tensor:
    """Entropy -p log p - (1 - p) log(1 - p) in nats of each class against the rest, of the shape of probabilities."""
    rest = (1 - probabilities).clamp_(0, 1)
    own = probabilities.clamp_min(TINY).log_().mul_(probabilities)
    return own.add_(rest.clamp_min(TINY).log_().mul_(rest)).neg_()


def predictive_entropy(sums: Sums) -> Tensor:
    """Entropy of the mean prediction, in nats (Shannon 1948)."""
    return entropy(sums.mean)


def least_confidence(sums: Sums) -> Tensor:
    """1 - probability of the most probable class of the mean prediction, in [0, 1 - 1/K] (Lewis & Gale 1994)."""
    return 1 - sums.mean.amax(dim=1)


def margin(sums: Sums) -> Tensor:
    """1 - (p_(1) - p_(2)) of the two most probable classes of the mean prediction, in [0, 1] (Scheffer et al. 2001)."""
    first, second = sums.mean.topk(2, dim=1).values.unbind(dim=1)
    return 1 - (first - second)


def variance_ratio(sums: Sums) -> Tensor:
    """1 - (votes for the modal class) / M, in [0, 1 - 1/K] (Freeman 1965); 0 everywhere for one member."""
    assert sums.votes is not None
    return 1 - sums.votes.amax(dim=1) / sums.count


def bald(sums: Sums) -> Tensor:
    """Mutual information H(mean_m p_m) - mean_m H(p_m) in nats (Houlsby et al. 2011); 0 everywhere for one member."""
    assert sums.spread is not None
    return (entropy(sums.mean) - sums.spread / sums.count).clamp_(min=0)  # rounding can leave it just below 0


MEASURES: dict[Measure, Callable[[Sums], Tensor]] = {
    "entropy": predictive_entropy,
    "least_confidence": least_confidence,
    "margin": margin,
    "variance_ratio": variance_ratio,
    "bald": bald,
}


def _sums(members: Iterable[Tensor], *, votes: bool, spread: bool) -> Sums:
    count, total, voted, entropies = 0, None, None, None
    for p in members:
        count += 1
        # the first tensor belongs to the caller, so only the sum of two is modified
        total = p if total is None else total + p if count == 2 else total.add_(p)
        if votes:
            voted = _vote(p) if voted is None else voted.add_(_vote(p))
        if spread:
            entropies = entropy(p) if entropies is None else entropies.add_(entropy(p))
    if total is None:
        raise ValueError("no members to average")
    return Sums(count, total / count, voted, entropies)


def _vote(probabilities: Tensor) -> Tensor:
    """Return (B, K, H, W) int16 with 1 for the most probable class, the first on ties."""
    import torch

    winner = probabilities.max(dim=1, keepdim=True).indices  # argmax is several times slower
    classes = torch.arange(probabilities.shape[1], device=winner.device).view(1, -1, 1, 1)
    return (winner == classes).to(torch.int16)
