"""CSCS: slices that are typical of their cluster and hard to reconstruct."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from alseg_core.geometry.clusters import k_means, unit_length
from alseg_core.quantities import LARGEST_SIDE, Count, Epochs, Positive, Width
from alseg_core.registry import component
from alseg_core.strategies.shrunk import CHUNK, shrunk
from alseg_core.strategies.typiclust import best_of_clusters, typicality
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import IntArray, Selection

SPAN = (1e-150, 1e150)
"""Typicality and difficulty are clipped to this range, so that equal slices and perfect reconstructions have logs."""


@component
class Cscs(Strategy):
    """From each cluster of the embedding, the slice with the highest typicality^(1 - w) x difficulty^w.

    Clusters, their order and typicality are those of ``typiclust``. The difficulty of a slice is the mean squared error
    with which a convolutional autoencoder reconstructs it, shrunk to ``size`` x ``size`` pixels; the autoencoder is
    trained on all slices of the pool, without labels, anew each round, as strategies keep nothing between rounds. The
    logarithms are mixed, so that units do not matter.

    The paper sets w by a rule of the budget and of the alignment of both signals whose formula was not open to us: here
    it is a setting. It selects whole volumes before the first round; strata as the clusters of TypiClust, and later
    rounds, are our reading. The defaults take about 10 s of one core per round for 750 slices.
    """

    needs_embedding: ClassVar[bool] = True
    paper: ClassVar[str] = "CSCS, arXiv 2606.20765"

    weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Exponent w of the difficulty, in [0, 1]; 0 is typicality alone."""
    max_clusters: Count = 500
    """Largest number of clusters."""
    small: Annotated[int, Field(ge=0, le=10**6)] = 5
    """Clusters of at most this many slices are skipped; lowered as far as needed to fill the budget."""
    neighbours: Count = 20
    """Number of nearest slices in the typicality of a slice, at most half of those without a label in its cluster."""
    latent: Width = 32
    """Length of the autoencoder's code."""
    size: Annotated[int, Field(ge=16, le=LARGEST_SIDE, multiple_of=8)] = 32
    """Rows and columns that slices are shrunk to, in pixels; a multiple of 8, at least 16."""
    epochs: Epochs = 30
    """Passes over the pool in the autoencoder's training."""
    batch: Count = 64
    """Slices per step of the training."""
    lr: Positive = 1e-3
    """Learning rate of Adam, > 0."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        positions = np.concatenate([view.labelled, view.unlabelled])
        features = unit_length(view.embedding()[positions])
        clusters = min(len(view.labelled) + budget, self.max_clusters)
        labels = k_means(features, clusters, rng, device=view.device).labels
        difficulty = np.log(np.clip(self.difficulty(view, positions, rng), *SPAN))

        def score(members: IntArray) -> NDArray[np.float64]:
            typical = np.log(np.clip(typicality(features[members], self.neighbours, view.device), *SPAN))
            return (1 - self.weight) * typical + self.weight * difficulty[members]

        return Selection(positions[best_of_clusters(labels, len(view.labelled), budget, self.small, score)])

    def difficulty(self, view: View, positions: IntArray, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return the mean squared reconstruction error (n,) of the slices, in variances of the pool's pixels."""
        import torch

        from alseg_core import seeding
        from alseg_core.models.vae import ConvVAE

        images = shrunk(view, positions, self.size)
        with seeding.torch_seeded(seeding.child(rng)):  # initial weights and batches
            network = ConvVAE(images.shape[1], self.size, self.latent).to(view.device)
            optimizer = torch.optim.Adam(network.parameters(), lr=self.lr)
            for _ in range(self.epochs):
                for rows in torch.randperm(len(images)).split(self.batch):
                    batch = images[rows]
                    optimizer.zero_grad()
                    (network.reconstruct(batch) - batch).square().mean().backward()
                    optimizer.step()
        network.eval()
        with torch.no_grad():
            errors = [
                (network.reconstruct(part) - part).square().flatten(1).mean(dim=1) for part in images.split(CHUNK)
            ]
        return torch.cat(errors).double().cpu().numpy()
