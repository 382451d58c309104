"""The autoencoder: shapes, the lower bound against its formula, and that it learns."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from alseg_core import seeding
from alseg_core.models.vae import ConvVAE, Discriminator, negative_elbo

torch.set_num_threads(1)


@pytest.mark.parametrize(("channels", "size"), [(1, 16), (3, 40)])
def test_shapes(channels: int, size: int) -> None:
    decoded, mean, log_variance = ConvVAE(channels, size, 5)(torch.zeros(2, channels, size, size))
    assert decoded.shape == (2, channels, size, size) and mean.shape == log_variance.shape == (2, 5)
    assert Discriminator(5)(mean).shape == (2, 1)


def test_lower_bound_against_its_formula() -> None:
    images, decoded = torch.rand(3, 1, 4, 4), torch.rand(3, 1, 4, 4)
    mean, log_variance = torch.randn(3, 5), torch.randn(3, 5)
    terms = []
    for i in range(3):
        error = sum((a - b) ** 2 for a, b in zip(images[i].flatten(), decoded[i].flatten(), strict=True)) / 16
        kl = kl_divergence(Normal(mean[i], (log_variance[i] / 2).exp()), Normal(torch.zeros(5), torch.ones(5))).sum()
        terms.append(error + 0.7 * kl)
    torch.testing.assert_close(negative_elbo(images, decoded, mean, log_variance, 0.7), torch.stack(terms).mean())


def test_it_learns_to_reconstruct() -> None:
    squares = torch.zeros(16, 1, 16, 16)
    for i in range(16):
        squares[i, 0, i // 2 : i // 2 + 6, i % 4 : i % 4 + 6] = 1
    with seeding.torch_seeded(0):
        vae = ConvVAE(1, 16, 8)
        optimizer = torch.optim.Adam(vae.parameters(), lr=2e-3)
        losses = []
        for _ in range(80):
            recon, mean, log_var = vae(squares)
            loss = negative_elbo(squares, recon, mean, log_var, beta=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
