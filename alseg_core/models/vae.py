"""Convolutional variational autoencoder (Kingma & Welling, ICLR 2014) and a discriminator on its latent means."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTHS = (16, 32, 64)
"""Channels after each halving of the image."""


class ConvVAE(nn.Module):
    """Images (B, channels, size, size) -> Gaussian latent (B, latent) -> images; size is a multiple of 8."""

    def __init__(self, channels: int, size: int, latent: int) -> None:
        super().__init__()
        self.side = size // 2 ** len(WIDTHS)
        flat = WIDTHS[-1] * self.side**2
        down = [_down(i, o) for i, o in zip((channels, *WIDTHS[:-1]), WIDTHS, strict=True)]
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(flat, 2 * latent))
        up = [_up(i, o) for i, o in zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True)]
        self.expand = nn.Linear(latent, flat)
        self.decoder = nn.Sequential(*up, nn.ConvTranspose2d(WIDTHS[0], channels, 4, stride=2, padding=1))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latent, each (B, latent)."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, latent: Tensor) -> Tensor:
        """Images (B, channels, size, size) of latents (B, latent)."""
        images: Tensor = self.decoder(self.expand(latent).unflatten(1, (WIDTHS[-1], self.side, self.side)))
        return images

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images (B, channels, size, size) decoded from the mean of the latent, as by an autoencoder without noise."""
        return self.decode(self.encode(images)[0])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the reconstruction of one draw from the latent, and the mean and log variance of the latent."""
        mean, log_variance = self.encode(images)
        noise = torch.randn_like(mean)
        return self.decode(mean + noise * (log_variance / 2).exp()), mean, log_variance


def _down(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, outside, 4, stride=2, padding=1), nn.BatchNorm2d(outside), nn.ReLU())


def _up(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inside, outside, 4, stride=2, padding=1), nn.BatchNorm2d(outside), nn.ReLU()
    )


class Discriminator(nn.Sequential):
    """Latent mean (B, latent) -> logit (B, 1), high for labelled images."""

    def __init__(self, latent: int, hidden: int = 128) -> None:
        super().__init__(
            nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )


def negative_elbo(images: Tensor, decoded: Tensor, mean: Tensor, log_variance: Tensor, beta: float) -> Tensor:
    """Mean squared error of the pixels + beta KL(q || N(0, I)), mean over the images -> scalar."""
    error = (decoded - images).square().flatten(1).mean(dim=1)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
    return (error + beta * kl).mean()
