"""VAAL: slices whose latent code looks least like those of labelled slices."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from alseg_core.quantities import LARGEST_SIDE, Epochs, Positive, Weight, Width
from alseg_core.registry import component
from alseg_core.strategies.random import Random
from alseg_core.strategies.shrunk import CHUNK, shrunk
from alseg_core.strategies.view import Strategy, View
from alseg_core.vocabulary import Selection


@component
class Vaal(Strategy):
    """Slices that a discriminator takes for unlabelled, by the latent code of a variational autoencoder.

    The autoencoder is trained on all slices and against the discriminator, both anew each round. Every step consists of
    ``vae_steps`` updates of the autoencoder (mean squared error + beta KL + adversary x cross-entropy of its codes to
    "labelled") and one of the discriminator (labelled slices to 1, unlabelled ones to 0). The score of a pick is 1 - D.
    While nothing is labelled, the picks are those of strategy random.

    The paper trains a deeper network for 100 epochs with adversary 1; within few epochs, that hides the labelled slices
    before the discriminator has found them. 30 epochs at size 32 take about a minute per round on one core for 1500
    slices.
    """

    paper: ClassVar[str] = "Sinha, Ebrahimi, Darrell, ICCV 2019"

    latent: Width = 32
    """Length of the latent code."""
    size: Annotated[int, Field(ge=8, le=LARGEST_SIDE, multiple_of=8)] = 32
    """Rows and columns that slices are shrunk to, in pixels; a multiple of 8."""
    epochs: Epochs = 30
    """Passes over the unlabelled slices."""
    batch: Annotated[int, Field(ge=2, le=10**5)] = 64
    """Unlabelled slices per step, with as many labelled ones drawn at random."""
    vae_steps: Annotated[int, Field(ge=1, le=10**4)] = 2
    """Updates of the autoencoder per update of the discriminator."""
    beta: Weight = 1e-3
    """Weight of the KL term, >= 0; about 1 / pixels is the evidence bound itself, 1 would leave the codes no room."""
    adversary: Weight = 0.01
    """Weight of the adversarial term in the autoencoder's loss, >= 0."""
    lr: Positive = 5e-4
    """Learning rate of Adam for both networks, > 0."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        if len(view.labelled) == 0:
            return Random().select(view, budget, rng)
        likeness = self.likeness(view, rng)[: len(view.unlabelled)]
        order = np.argsort(likeness, kind="stable")[:budget]
        return Selection(view.unlabelled[order], 1 - likeness[order])

    def likeness(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return D in (0, 1), high for slices that look labelled: of the unlabelled, then the labelled slices."""
        import torch
        from torch.nn import functional

        from alseg_core import seeding
        from alseg_core.models.vae import ConvVAE, Discriminator, negative_elbo

        images = shrunk(view, np.concatenate([view.unlabelled, view.labelled]), self.size)
        count = len(view.unlabelled)
        with seeding.torch_seeded(seeding.child(rng)):  # initial weights and draws from the latent
            vae = ConvVAE(images.shape[1], self.size, self.latent).to(view.device)
            judge = Discriminator(self.latent).to(view.device)
            vae_optimizer = torch.optim.Adam(vae.parameters(), lr=self.lr)
            judge_optimizer = torch.optim.Adam(judge.parameters(), lr=self.lr)
            for _ in range(self.epochs):
                for unlabelled in torch.randperm(count).split(self.batch):
                    labelled = torch.randint(count, len(images), (len(unlabelled),))
                    batch = images[torch.cat([unlabelled, labelled])]
                    truth = (torch.arange(len(batch), device=view.device) >= len(unlabelled)).float()[:, None]
                    for _ in range(self.vae_steps):
                        decoded, mean, log_variance = vae(batch)
                        verdict = judge(mean)
                        loss = negative_elbo(batch, decoded, mean, log_variance, self.beta)
                        fooled = functional.binary_cross_entropy_with_logits(verdict, torch.ones_like(verdict))
                        vae_optimizer.zero_grad()
                        (loss + self.adversary * fooled).backward()
                        vae_optimizer.step()
                    with torch.no_grad():
                        mean, _ = vae.encode(batch)
                    judge_optimizer.zero_grad()
                    functional.binary_cross_entropy_with_logits(judge(mean), truth).backward()
                    judge_optimizer.step()
        vae.eval()
        with torch.no_grad():
            verdicts = [judge(vae.encode(part)[0])[:, 0].sigmoid() for part in images.split(CHUNK)]
        return torch.cat(verdicts).double().cpu().numpy()
