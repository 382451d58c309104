"""Intervals by a hierarchical bootstrap over seeds and test volumes, the same draws for all recipes.

What varies: a mean Dice would differ with other seeds and with other test patients, and the two cross: every seed is
scored on the same volumes, unless each has a split of its own (below). One draw takes seeds with replacement and
patients with replacement (all volumes of a patient together: its two cardiac phases are not independent) and computes
everything again from them.

Three traps, and their remedies.

1. n items drawn n times vary by a factor (n-1)/n too little, one half for two seeds. So n - 1 are drawn (McCarthy and
Snowden
   1985; Rao and Wu 1988), which is unbiased for means.
2. Where levels cross, drawing both counts their interaction three times (Owen, "The pigeonhole bootstrap", Annals of
   Applied Statistics 2007). The same draws are applied to each level alone as well; what is left of the joint draw is
   the interaction, and two of its shares are subtracted.
3. Percentiles of draws from three seeds have at most three values and no tail. The interval is estimate +- t x
   standard error instead, t being the mean of Student's t for the seeds (S - 1 degrees of freedom) and for the patients
   (P - 1), weighted by their variances (Cochran and Cox, Experimental Designs, 1950). It is symmetric. Satterthwaite's
   degrees of freedom are shorter, but hold the truth in 88 to 93 % of cases where seeds are few and matter.

Measured on synthetic scores (25 volumes, seeds, volumes, recipe x volume and the rest each in turn the largest part),
nominal 95 % intervals of a mean and of a paired difference hold the truth in 94 to 98 % of 2,000 sets with 2 seeds, 95
to 97 % with 3, 95 to 97 % with 5 and 95 to 96 % with 10 (``test_stat_coverage.py``). With two seeds the price is an
interval as wide as the panel: t is 12.7. With one it covers no other seeds.

Where each seed has a split of its own, patients are partly nested in seeds: a seed is scored on some of them, and a
patient may be in several splits. The draws are the same, because they know patients by name: a drawn patient counts in
every seed that has him, and a seed's score is the mean over those of its patients that are drawn. If no two splits
share a test patient, what is left is the variance between seeds, which holds that of their patients (seeds alone would
do); if all share all, it is the crossed case. Treating patients as nested although splits share them, as a t-test over
seeds does, holds the truth in 73 to 88 % of cases with 10 splits of 24 or 100 patients, one quarter of them for
testing; these intervals in 92 to 97 %. That splits share training patients too is seen by neither.

This is noise without jumps. Where three networks of ten lose a class altogether, and a quarter of their Dice, the
interval of a mean holds the truth in only 61 to 79 % of sets with 3 seeds, 83 to 87 % with 5 and 93 % with 10, because
three seeds that all happen to keep the class do not show that others lose it. Intervals of a paired difference hold it
in 94 to 98 %. A report therefore warns where classes are lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from bench.report.statistics.grid import known_mean

RESAMPLES = 2000
"""Draws of the bootstrap."""
LEVEL = 0.95
"""Confidence level of every interval."""


def shares(count: int, draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return weights (draws, count), rows summing to one, of ``count`` - 1 items drawn with replacement."""
    if count == 1:
        return np.ones((draws, 1))
    return np.asarray(rng.multinomial(count - 1, np.full(count, 1 / count), size=draws) / (count - 1))


@dataclass(frozen=True, eq=False)
class Resampling:
    """Draws for one setting."""

    patients: NDArray[np.float64]
    """Weights of the patients, (B, P)."""
    seed: int
    """Seed of the draws of seeds."""

    @classmethod
    def of(cls, patients: int, seed: int, draws: int = RESAMPLES) -> Resampling:
        """Return ``draws`` resamples of ``patients`` patients."""
        return cls(shares(patients, draws, np.random.default_rng([seed, 0])), seed)

    def seeds(self, count: int) -> NDArray[np.float64]:
        """Return weights (B, count), the same at every call, so that recipes with equal seeds are drawn together."""
        return shares(count, len(self.patients), np.random.default_rng([self.seed, count]))

    def runs(self, dice: NDArray[np.float64], patient: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return run scores (B, ...) of ``dice`` (..., V) over drawn volumes with a Dice; NaN where a run has none.

        A run keeps its score in draws without any of its volumes, so that they vary no less between seeds.
        """
        weights = self.patients[:, patient]
        flat = dice.reshape(-1, dice.shape[-1])
        known = np.isfinite(flat)
        means = weights @ np.where(known, flat, 0.0).T
        weight = weights @ known.T.astype(float)
        np.divide(means, weight, out=means, where=weight > 0)  # in place: thousands of runs take hundreds of MB
        np.copyto(means, known_mean(flat, axis=-1), where=weight == 0)
        return np.asarray(means.reshape(len(weights), *dice.shape[:-1]))


@dataclass(frozen=True, eq=False)
class Variation:
    """Covariances of M estimates."""

    seeds: NDArray[np.float64]
    """Due to the choice of seeds, (M, M)."""
    volumes: NDArray[np.float64]
    """Due to the choice of volumes, (M, M)."""


def variation(joint: NDArray[np.float64], volumes: NDArray[np.float64], seeds: NDArray[np.float64]) -> Variation:
    """Return the variation of M estimates (B, M) drawn on both levels, on volumes only and on seeds only."""
    draws = np.isfinite(joint).all(axis=1) & np.isfinite(volumes).all(axis=1)

    def covariance(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.atleast_2d(np.cov(values[draws], rowvar=False))

    return Variation(covariance(seeds), covariance(volumes) - covariance(joint - volumes - seeds))


def of_means(runs: NDArray[np.float64], drawn: NDArray[np.float64], weights: NDArray[np.float64]) -> Variation:
    """Return the variation of M means over S seeds.

    runs: run scores (M, S). drawn: the same with volumes drawn (B, M, S). weights: (B, S).
    """
    joint = np.einsum("bs,bms->bm", weights, drawn)
    return variation(joint, drawn.mean(axis=-1), weights @ runs.T)


def half_width(
    seeds: ArrayLike, volumes: ArrayLike, count: int, patients: int, intervals: int = 1
) -> NDArray[np.float64]:
    """Return half of the 95 % interval for variances due to ``count`` seeds and the volumes of ``patients`` patients.

    intervals: number of intervals that hold the truth together with at least 95 % (Bonferroni: each at level 1 - .05 /
    ``intervals``). A level with a single item has no estimate of its variance and is left out; NaN if both have one.
    """
    levels = [
        (stats.t.isf((1 - LEVEL) / 2 / intervals, items - 1), np.maximum(variance, 0.0))
        for variance, items in ((seeds, count), (volumes, patients))
        if items > 1
    ]
    if not levels:
        return np.full(np.shape(seeds), np.nan)
    total = np.sum([variance for _, variance in levels], axis=0)
    widened = np.sum([t * variance for t, variance in levels], axis=0)
    return np.asarray(np.divide(widened, np.sqrt(total), out=np.zeros_like(total), where=total > 0))


def basis(count: int, patients: int) -> str:
    """Return what an interval of ``count`` seeds and ``patients`` patients is over, "" if there is none."""
    return " x ".join(name for name, items in (("seeds", count), ("volumes", patients)) if items > 1)
