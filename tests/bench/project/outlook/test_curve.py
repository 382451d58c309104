"""The mixture of curves against sums over a plain grid, and on curves whose law is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from bench.project.outlook import curve
from bench.project.outlook.curve import Prior, posterior

AMOUNTS = np.array([10.0, 20, 30, 50])
SCORES = np.array([0.45, 0.56, 0.53, 0.62])


def law(amount: float, first: float, start: float, share: float, rate: float, delay: float) -> float:
    """a - b (n + d)^-c with the parameters of the module."""
    a, d = start + share * (1 - start), delay * first
    return a - (a - start) * ((amount + d) / (first + d)) ** -rate


def test_the_forecast_is_that_of_a_sum_over_all_curves() -> None:
    prior, noise = Prior(share=(2, 1.2), rate=(0.6, 0.4), noise=(0.02, 0.5)), 0.025
    found = posterior(AMOUNTS, SCORES, 50, 80, noise, prior)
    starts = np.linspace(-0.5, 1.2, 150)
    half = (curve.SHARES[1] - curve.SHARES[0]) / 4
    total, mean, rise, below = 0.0, 0.0, 0.0, np.zeros(3)
    marks = np.array([0.55, 0.62, 0.7])
    for share in curve.SHARES:
        inside = min(max(share, half), 1 - half)
        for rate in curve.RATES:
            for delay in curve.DELAYS:
                curves = [law(n, 10, starts, share, rate, delay) for n in AMOUNTS]  # type: ignore[arg-type]
                now, then = (law(n, 10, starts, share, rate, delay) for n in (50, 80))  # type: ignore[arg-type]
                spread = curve.NOISES[:, None]
                density = inside * (1 - inside) ** 0.2
                density *= np.exp(-(np.log(rate / 0.6) ** 2) / (2 * 0.4**2))
                density = density * np.exp(-(np.log(spread / noise) ** 2) / (2 * 0.5**2))
                for score, at in zip(SCORES, curves, strict=True):
                    density = density * np.exp(-(((score - at) / spread) ** 2) / 2) / spread
                total += density.sum()
                mean += (density * then).sum()
                rise += (density * (then - now)).sum()
                below += [(density * ndtr((mark - then) / spread)).sum() for mark in marks]
    assert found.score == pytest.approx(mean / total, abs=1e-4)
    assert found.rise == pytest.approx(rise / total, abs=1e-4)
    for mark, probability in zip(marks, below / total, strict=True):
        assert found.quantile(float(probability)) == pytest.approx(mark, abs=2e-4)


def test_intervals_hold_the_next_score_as_often_as_they_say() -> None:
    rng, prior = np.random.default_rng(1), curve.PRIOR
    inside = []
    for _ in range(200):
        share = rng.beta(*prior.share)
        rate = float(np.clip(prior.rate[0] * np.exp(prior.rate[1] * rng.normal()), 0.15, 2.5))
        spread = float(np.clip(prior.noise[0] * np.exp(prior.noise[1] * rng.normal()), 0.004, 0.15))
        delay, start = rng.choice(curve.DELAYS), rng.uniform(0.3, 0.6)
        amounts = 8 * np.arange(1, rng.integers(3, 8) + 1, dtype=np.float64)
        truth = np.array([law(n, 8, start, share, rate, delay) for n in amounts])
        scores = truth + rng.normal(0, spread, len(truth))
        found = posterior(amounts[:-1], scores[:-1], amounts[-2], amounts[-1], None, prior)
        inside.append(found.quantile(0.1) <= scores[-1] <= found.quantile(0.9))
    assert np.mean(inside) == pytest.approx(0.8, abs=0.09)  # three standard errors


def test_the_curve_is_found_where_nothing_disturbs_it() -> None:
    errors = []
    for count in (2, 4, 8):
        amounts = 10 * 1.5 ** np.arange(count + 1, dtype=np.float64)
        truth = np.array([law(n, 10, 0.4, 0.7, 0.6, 0) for n in amounts])
        found = posterior(amounts[:-1], truth[:-1], amounts[-2], amounts[-1], None, Prior(noise=(0.004, 0.5)))
        errors.append(abs(found.score - truth[-1]))
        assert found.quantile(0.1) < truth[-1] < found.quantile(0.9)
    assert errors[-1] < errors[0] and errors[-1] < 0.004


def test_more_noise_gives_wider_intervals() -> None:
    widths = []
    for noise in (None, 0.01, 0.1):
        found = posterior(AMOUNTS, SCORES, 50, 80, noise, curve.PRIOR)
        widths.append(found.quantile(0.9) - found.quantile(0.1))
    assert widths[0] == widths[1] < widths[2]  # what patients tell is not all of it
