"""A learning curve with its uncertainty: what a few measured scores say about the next one.

The curve is a saturating power law, f(n) = a - b (n + d)^-c, as learning curves often are (Figueroa et al., BMC Med
Inform Decis Mak 12:8, 2012; Viering and Loog, "The Shape of Learning Curves", IEEE TPAMI 45(6), 2023). It is written as
f1 + u (1 - f1) (1 - ((n + d) / (n1 + d))^-c): it begins at f1 with n1 slices and gains the share u of what is missing
to 1; d is how long it rises almost evenly before it bends. A few scores do not determine it, so that no single curve is
fitted: all curves of a grid are weighed by prior and likelihood, and the forecast is their mixture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

NEGLIGIBLE = math.log(1e-6)
"""Curves less likely than the best one by this factor, as a logarithm, are left out."""

Array = NDArray[np.float64]

SHARES = np.linspace(0.0, 1.0, 21)
"""Shares of what is missing to 1 that a curve may gain in the end."""
RATES = np.geomspace(0.15, 4.0, 10)
"""Exponents of a curve."""
DELAYS = np.array([0.0, 1.0, 4.0, 16.0])
"""How long a curve rises almost evenly, in multiples of n1; each is equally likely before."""
NOISES = np.geomspace(0.004, 0.15, 10)
"""Standard deviations of a measured score about its curve."""


@dataclass(frozen=True)
class Prior:
    """What is known of a curve before its first score."""

    share: tuple[float, float] = (2.0, 1.2)
    """Parameters of the Beta distribution of the share u."""
    rate: tuple[float, float] = (1.0, 0.8)
    """Median of the exponent, and the standard deviation of its logarithm."""
    noise: tuple[float, float] = (0.03, 0.8)
    """Median of the noise, and the standard deviation of its logarithm."""


PRIOR = Prior()
"""Chosen for the predictive likelihood of quick runs on ACDC and the phantom."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """The curves of the grid after some scores: a mixture of normal distributions, one per curve and noise."""

    weight: Array
    """(m,) probability of each; the sum is 1."""
    mean: Array
    """(m,) of the next score."""
    spread: Array
    """(m,) standard deviation of the next measured score."""
    gain: Array
    """(m,) mean of how much the curve itself rises until then."""

    @property
    def score(self) -> float:
        """Mean of the next measured score, in [0, 1]."""
        return float(np.clip(self.weight @ self.mean, 0, 1))

    @property
    def rise(self) -> float:
        """Mean of how much the curve itself rises until then."""
        return float(self.weight @ self.gain)

    def quantile(self, probability: float) -> float:
        """Return the score, in [0, 1], below which the next measured one lies with a probability in (0, 1)."""

        def over(score: float) -> float:
            return float(self.weight @ ndtr((score - self.mean) / self.spread)) - probability

        if over(0.0) >= 0 or over(1.0) <= 0:
            return 0.0 if over(0.0) >= 0 else 1.0
        return float(brentq(over, 0.0, 1.0, xtol=1e-6))

    def chance(self, least: float) -> float:
        """Return the probability that the curve itself rises by at least ``least``."""
        return float(self.weight[self.gain >= least].sum())


def posterior(amounts: Array, scores: Array, now: float, then: float, noise: float | None, prior: Prior) -> Posterior:
    """Weigh the curves by scores.

    Args:
        amounts: (r,) labelled slices at each score, positive and not falling; the first is n1.
        scores: (r,) scores in [0, 1].
        now: labelled slices today.
        then: labelled slices at the next score.
        noise: median of the noise by what is known about it; None, or if it is less, that of the prior.
        prior: what is known before.
    """
    axes = np.meshgrid(SHARES, RATES, DELAYS, NOISES, indexing="ij")
    share, rate, delay, spread = (axis.ravel() for axis in axes)
    weight = _prior(share, rate, spread, prior, noise)

    def way(amount: Array) -> Array:  # (m, r) how much of what was missing at n1 the curve has gained
        grown = (amount[None] / amounts[0] + delay[:, None]) / (1 + delay[:, None])
        return np.asarray(share[:, None] * (1 - grown ** -rate[:, None]))

    gained = way(amounts)
    # a curve is f1 (1 - gained) + gained: linear in f1, whose posterior is normal for each member of the grid
    slope, rest = 1 - gained, scores[None] - gained
    precision = (slope**2).sum(axis=1)
    start = (slope * rest).sum(axis=1) / precision
    misfit = ((rest - slope * start[:, None]) ** 2).sum(axis=1)
    count = len(scores)
    weight += -misfit / (2 * spread**2) - (count - 1) * np.log(spread) - np.log(precision) / 2
    weight -= weight.max()
    kept = weight > NEGLIGIBLE
    share, rate, delay, spread, precision, start = (
        values[kept] for values in (share, rate, delay, spread, precision, start)
    )
    weight = np.exp(weight[kept])
    weight /= weight.sum()

    ends = way(np.array([now, then]))
    start = np.clip(start, 0, 1)
    at_now, at_then = (start * (1 - ends[:, i]) + ends[:, i] for i in (0, 1))
    variance = spread**2 * (1 + (1 - ends[:, 1]) ** 2 / precision)
    return Posterior(weight, at_then, np.sqrt(variance), at_then - at_now)


def _prior(share: Array, rate: Array, spread: Array, prior: Prior, noise: float | None) -> Array:
    """Return the logarithm of the prior density of each member, up to a constant."""
    gains, losses = prior.share
    middle, width = prior.rate
    usual, doubt = prior.noise
    half = (SHARES[1] - SHARES[0]) / 4  # a density may be infinite at either end
    inside = np.clip(share, half, 1 - half)
    return np.asarray(
        (gains - 1) * np.log(inside)
        + (losses - 1) * np.log1p(-inside)
        - np.log(rate / middle) ** 2 / (2 * width**2)
        - np.log(spread / max(noise or 0.0, usual)) ** 2 / (2 * doubt**2)
    )
