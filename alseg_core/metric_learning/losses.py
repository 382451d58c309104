"""Contrastive losses over two views of a batch (Vepa et al., NeurIPS 2024, Eq. 4 and 5).

z is (2B, d) throughout: rows 0..B-1 are the first views of the B slices, rows B..2B-1 their second views. Every loss is
a function of the similarities s (2B, 2B) of z, which are computed once, and needs no transfer to the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from alseg_core.metric_learning.groups import Groups
from alseg_core.metric_learning.sampler import GroupName

LossVariant = Literal["paper", "as_released"]
"""Group loss: :func:`group_loss`, Eq. 4, or :func:`released_group_loss`, that of the authors' code."""

Negatives = Literal["all", "other_patients"]
"""Samples that NT-Xent pushes away: every other sample, or those of other patients only, as the group losses do."""


@dataclass(frozen=True)
class Weights:
    """Weights of Eq. 5, each >= 0."""

    ntxent: float
    """Weight of NT-Xent."""
    patient: float
    """Weight of the group loss of patients."""
    volume: float
    """Weight of the group loss of volumes."""
    slice: float
    """Weight of the group loss of neighbouring slices."""

    @property
    def groups(self) -> tuple[GroupName, ...]:
        """Names of the group losses with a weight above 0."""
        names: tuple[GroupName, ...] = ("slice", "volume", "patient")
        return tuple(name for name in names if getattr(self, name) > 0)


def similarities(z: Tensor, temperature: float) -> Tensor:
    """Return cosine similarities (2B, 2B) over the temperature, in at least float32 even under autocast."""
    with torch.autocast(z.device.type, enabled=False):
        unit = F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1)
        return unit @ unit.T / temperature


def nt_xent(s: Tensor, negative: Tensor | None = None) -> Tensor:
    """NT-Xent (Chen et al., ICML 2020, Eq. 1): s (2B, 2B) -> scalar, mean over all 2B anchors.

    The positive of a sample is its other view; the denominator contains that view and every other sample, or, given
    ``negative`` (B, B) bool, only those of the slices that it marks for the anchor's slice.
    """
    own = _own(s)
    return group_loss(s, own, torch.ones_like(own) if negative is None else negative)


def group_loss(s: Tensor, related: Tensor, stranger: Tensor) -> Tensor:
    """Group contrastive loss, Eq. 4 with every sample as an anchor: s (2B, 2B) -> (...).

    related: (..., B, B) bool, whether slices share a group. stranger: (..., B, B) bool, whether patients differ.
    Positives of a sample are all other samples, of both views, of related slices; its own other view is always one. The
    denominator contains the positives and the samples of other patients; samples of the same patient outside the group
    are left out, so that group losses can be added. The loss is the mean over the positives of an anchor, then over
    anchors. For equal group sizes this is Eq. 4 averaged over first and second views.
    """
    other_sample = ~torch.eye(len(s), dtype=torch.bool, device=s.device)
    same_group = related | _own(s)
    positive = same_group.tile(2, 2) & other_sample
    compared = (same_group | stranger).tile(2, 2) & other_sample
    log_sum = s.masked_fill(~compared, -torch.inf).logsumexp(dim=-1)  # never empty: it contains the other view
    mean_positive = s.masked_fill(~positive, 0).sum(dim=-1) / positive.sum(dim=-1)
    return (log_sum - mean_positive).mean(dim=-1)


def released_group_loss(s: Tensor, stranger: Tensor) -> Tensor:
    """Group loss as the released code computes it, the same for patient, volume and slice: s (2B, 2B) -> scalar.

    Its mask of positives starts from all ones, so that every other sample is a positive of every sample, whatever the
    groups. A pair (i, j) is compared with j and the samples of other patients only (one positive per denominator), and
    the loss is the mean over all ordered pairs. stranger: (B, B) bool, whether patients differ.
    """
    n = len(s)
    other = stranger.tile(2, 2)
    strangers = s.masked_fill(~other, -torch.inf).logsumexp(dim=1, keepdim=True)  # -inf if there is none
    log_sum = torch.where(other, strangers, torch.logaddexp(strangers, s))
    itself = torch.eye(n, dtype=torch.bool, device=s.device)
    return (log_sum - s).masked_fill(itself, 0).sum() / (n * (n - 1))


def total_loss(
    z: Tensor,
    groups: Groups,
    weights: Weights,
    temperature: float,
    variant: LossVariant = "paper",
    negatives: Negatives = "all",
) -> Tensor:
    """Eq. 5: weighted sum of NT-Xent and the group losses -> scalar. Terms of weight zero are not computed.

    groups: relations of the B slices. variant: kind of group losses. negatives: those of NT-Xent.
    """
    s, stranger = similarities(z, temperature), ~groups.patient
    negative = torch.ones_like(stranger) if negatives == "all" else stranger
    shares = [getattr(weights, name) for name in weights.groups]
    if variant == "as_released":
        terms = [weights.ntxent * nt_xent(s, negative)] if weights.ntxent > 0 else []
        terms += [sum(shares) * released_group_loss(s, stranger)] if shares else []
        return torch.stack(terms).sum()
    related, allowed = [getattr(groups, name) for name in weights.groups], [stranger] * len(shares)
    if weights.ntxent > 0:  # as a group loss in which each slice is a group of its own
        shares.append(weights.ntxent)
        related.append(_own(s))
        allowed.append(negative)
    losses = group_loss(s, torch.stack(related), torch.stack(allowed))  # at once, as they differ only in their masks
    return torch.stack([share * loss for share, loss in zip(shares, losses.unbind(), strict=True)]).sum()


def _own(s: Tensor) -> Tensor:
    """Return the relation (B, B) bool of each slice with itself alone."""
    return torch.eye(len(s) // 2, dtype=torch.bool, device=s.device)
