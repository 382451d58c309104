"""BADGE: diverse slices by the gradient of the last layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from alseg_core.geometry.clusters import plus_plus
from alseg_core.registry import component
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection

if TYPE_CHECKING:  # strategies are listed without waiting for torch
    from torch import Tensor


@component
class Badge(Strategy):
    """k-means++ seeding on the gradients that the predicted labels would give the network's last layer.

    The vector of a slice is the mean over its pixels of (p - e_y) h^T, where p are the class probabilities, y is their
    argmax and h are the features before the last layer. Long vectors (uncertain slices) far from each other are likely
    picks; the first is drawn uniformly, as in k-means++. Once all remaining vectors equal picked ones, the rest is
    drawn uniformly.
    """

    needs_model: ClassVar[bool] = True
    paper: ClassVar[str] = "Ash, Zhang, Krishnamurthy, Langford, Agarwal, ICLR 2020"

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        positions = view.unlabelled
        chunks = [
            gradient_embedding(probabilities, features).flatten(1).cpu().numpy()
            for _, probabilities, features in view.pixel_features(positions)
        ]
        return Selection(positions[plus_plus(np.concatenate(chunks), budget, rng, device=view.device)])

    def needs_network(self, members: int) -> bool:
        """See :class:`Strategy`."""
        return True


def gradient_embedding(probabilities: Tensor, features: Tensor) -> Tensor:
    """Gradients (B, K, D) of the mean cross-entropy to the predicted labels by the weights of a last 1x1 layer.

    probabilities: (B, K, H, W). features: (B, D, H, W).
    """
    import torch

    predicted = torch.zeros_like(probabilities).scatter_(1, probabilities.max(dim=1, keepdim=True).indices, 1)
    error = (probabilities - predicted).flatten(2)
    gradient: Tensor = error @ features.flatten(2).transpose(1, 2) / error.shape[2]
    return gradient
