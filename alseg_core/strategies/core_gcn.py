"""CoreGCN: k-centre on features of a graph network that discriminates labelled from unlabelled slices."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from alseg_core.geometry.clusters import unit_length
from alseg_core.geometry.kcenter import k_center_greedy
from alseg_core.quantities import Epochs, Positive, Weight, Width
from alseg_core.registry import component
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import FloatArray, Selection


@component
class CoreGCN(Strategy):
    """Greedy k-centre on features of a graph network that learns to discriminate labelled from unlabelled slices.

    The graph connects all slices by the cosine of their features. While nothing is labelled, a random slice comes first
    and k-centre runs on the embedding itself. The score of a pick is its distance to the nearest centre at that moment.
    """

    needs_embedding: ClassVar[bool] = True
    paper: ClassVar[str] = "Caramalau, Bhattarai, Kim, CVPR 2021"

    hidden: Width = 128
    """Number of hidden features of a node."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Dropout rate of the hidden features, in [0, 1)."""
    epochs: Epochs = 200
    """Steps of Adam, each on all nodes."""
    lr: Positive = 1e-3
    """Learning rate of Adam, > 0."""
    weight_decay: Weight = 5e-4
    """Weight decay of Adam, >= 0."""
    unlabelled_weight: Positive = 1.2
    """Weight of the unlabelled nodes in the loss, > 0; labelled ones have 1."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        positions = np.concatenate([view.unlabelled, view.labelled])
        candidates, annotated = np.split(np.arange(len(positions)), [len(view.unlabelled)])
        features: FloatArray = unit_length(view.embedding()[positions])
        first = None
        if len(annotated):
            features = self._graph_features(features, len(candidates), view.device, rng)
        else:
            first = int(rng.integers(len(candidates)))
        rows, gaps = k_center_greedy(features, annotated, candidates, budget, first, view.device)
        return Selection(positions[rows], gaps)  # rows of the graph back to positions of the pool

    def _graph_features(
        self, features: FloatArray, unlabelled: int, device: str, rng: np.random.Generator
    ) -> FloatArray:
        """Train the network and return its hidden features (N, hidden); the first ``unlabelled`` rows have no label."""
        import torch
        from torch.nn import functional

        from alseg_core import seeding
        from alseg_core.models.gcn import GCN, Affinity

        x = torch.from_numpy(features).to(device)
        affinity = Affinity(x)
        smoothed = affinity @ x
        with seeding.torch_seeded(seeding.child(rng)):  # initial weights and dropout
            network = GCN(x.shape[1], self.hidden, self.dropout).to(device)
            optimizer = torch.optim.Adam(network.parameters(), lr=self.lr, weight_decay=self.weight_decay)
            for _ in range(self.epochs):
                logits, _ = network(affinity, smoothed)
                loss = -functional.logsigmoid(logits[unlabelled:]).mean()
                loss = loss - self.unlabelled_weight * functional.logsigmoid(-logits[:unlabelled]).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        network.eval()
        with torch.no_grad():
            hidden: FloatArray = network(affinity, smoothed)[1].cpu().numpy()
        return hidden
