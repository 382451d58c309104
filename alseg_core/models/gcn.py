"""Graph convolution over a pool of feature vectors (Kipf & Welling, ICLR 2017), without forming the graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Affinity:
    """The matrix (X X^T - I) D + I of unit vectors X (N, d), D = 1 / column sums, of which only products are computed.

    Memory and time are linear in N. Column sums in (-1, 1) are replaced by 1 with their sign, so that vectors almost
    orthogonal to all others do not blow up.
    """

    def __init__(self, x: Tensor) -> None:
        self.x = x
        total = x @ x.sum(dim=0) - 1
        self.scale = 1 / torch.where(total < 0, total.clamp(max=-1), total.clamp(min=1))

    def __matmul__(self, h: Tensor) -> Tensor:
        """Product (N, m) with h (N, m)."""
        scaled = self.scale[:, None] * h
        product: Tensor = self.x @ (self.x.T @ scaled) - scaled + h
        return product


class GCN(nn.Module):
    """Two graph convolutions: d features -> hidden (ReLU, dropout) -> one logit per node."""

    def __init__(self, features: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(features, hidden)
        self.dropout = nn.Dropout(dropout)
        self.second = nn.Linear(hidden, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, affinity: Affinity, smoothed: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N,) and hidden features (N, hidden). smoothed: affinity @ X, constant in training."""
        hidden = self.dropout(self.first(smoothed).relu())
        return (affinity @ self.second(hidden))[:, 0] + self.bias, hidden
