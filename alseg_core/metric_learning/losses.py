"""Contrastive losses over two views of a batch (Vepa et al., NeurIPS 2024, Eq. 4 and 5).

Everywhere z is (2B, d): rows 0..B-1 are the first views of the B slices, rows B..2B-1 their second views.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from alseg_core.metric_learning.sampler import GroupName

LossVariant = Literal["paper", "as_released"]
"""Which group loss: :func:`group_loss`, Eq. 4, or :func:`released_group_loss`, what the authors' code computes."""


@dataclass(frozen=True)
class Weights:
    """Weights of Eq. 5, each >= 0: NT-Xent and the group losses of patient, volume and slice."""

    ntxent: float
    patient: float
    volume: float
    slice: float

    @property
    def groups(self) -> tuple[GroupName, ...]:
        """Names of the group losses that are on."""
        names: tuple[GroupName, ...] = ("slice", "volume", "patient")
        return tuple(name for name in names if getattr(self, name) > 0)


def _similarities(z: Tensor, temperature: float) -> Tensor:
    """(2B, 2B) cosine similarities over the temperature, in at least float32 also under autocast."""
    with torch.autocast(z.device.type, enabled=False):
        unit = F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1)
        return unit @ unit.T / temperature


def nt_xent(z: Tensor, temperature: float) -> Tensor:
    """NT-Xent (Chen et al., ICML 2020, Eq. 1): z (2B, d) -> scalar, mean over all 2B anchors.

    The positive of a sample is its other view; the denominator holds every other sample.
    """
    n = len(z)
    s = _similarities(z, temperature)
    s = s.masked_fill(torch.eye(n, dtype=torch.bool, device=z.device), -torch.inf)
    return F.cross_entropy(s, torch.arange(n, device=z.device).roll(n // 2))


def group_loss(z: Tensor, related: Tensor, patient: Tensor, temperature: float) -> Tensor:
    """Group contrastive loss, Eq. 4 with every sample as an anchor: z (2B, d) -> scalar.

    related: (B, B) bool, which slices share a group. patient: (B,) integer ids. Positives of a sample are all other
    samples, of both views, of related slices; its own other view is always one. The denominator holds the positives
    and the samples of other patients; samples of the same patient outside the group are left out, so that group losses
    can be added. Per anchor the mean over its positives, then the mean over anchors. For equal group sizes this is
    Eq. 4 averaged over first and second views.
    """
    b = len(related)
    s = _similarities(z, temperature)
    own = torch.eye(b, dtype=torch.bool, device=z.device)
    same_group = (related | own).repeat(2, 2)
    other_patient = (patient[:, None] != patient[None]).repeat(2, 2)
    other_sample = ~torch.eye(2 * b, dtype=torch.bool, device=z.device)
    positive = same_group & other_sample
    compared = (same_group | other_patient) & other_sample
    log_sum = s.masked_fill(~compared, -torch.inf).logsumexp(dim=1)  # never empty: the own other view is in it
    mean_positive = s.masked_fill(~positive, 0).sum(dim=1) / positive.sum(dim=1)
    return (log_sum - mean_positive).mean()


def released_group_loss(z: Tensor, patient: Tensor, temperature: float) -> Tensor:
    """Group loss as the released code computes it, the same for patient, volume and slice: z (2B, d) -> scalar.

    Its mask of positives starts from all ones, so that every other sample is a positive of every sample, whatever the
    groups. A pair (i, j) is compared with j and the samples of other patients alone (one positive a denominator), and
    the loss is the mean over all ordered pairs. patient: (B,) integer ids.
    """
    n = len(z)
    s = _similarities(z, temperature)
    stranger = (patient[:, None] != patient[None]).repeat(2, 2)
    strangers = s.masked_fill(~stranger, -torch.inf).logsumexp(dim=1, keepdim=True)  # -inf where there is none
    log_sum = torch.where(stranger, strangers, torch.logaddexp(strangers, s))
    other_sample = ~torch.eye(n, dtype=torch.bool, device=z.device)
    return (log_sum - s)[other_sample].mean()


def total_loss(
    z: Tensor,
    related: dict[GroupName, Tensor],
    patient: Tensor,
    weights: Weights,
    temperature: float,
    variant: LossVariant = "paper",
) -> Tensor:
    """Eq. 5: weighted sum of NT-Xent and the group losses -> scalar. Terms of weight zero are not computed.

    related: (B, B) bool for each group loss that is on. variant: of the group losses.
    """
    terms = [weights.ntxent * nt_xent(z, temperature)] if weights.ntxent > 0 else []
    if variant == "as_released":
        terms += [getattr(weights, n) * released_group_loss(z, patient, temperature) for n in weights.groups]
        return torch.stack(terms).sum()
    terms += [getattr(weights, n) * group_loss(z, related[n], patient, temperature) for n in weights.groups]
    return torch.stack(terms).sum()
