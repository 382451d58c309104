"""From slice scores to picks: the best, or a draw that favours the better ones."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alseg_core.vocabulary import IntArray, Selection

Sampling = Literal["top", "power", "softmax", "softrank"]
"""top: the highest scores. The others draw without replacement, one slice after another, with probability proportional
to s^beta (power), exp(beta s) (softmax) or rank^-beta with rank 1 the best (softrank): Kirsch et al., "Stochastic batch
acquisition", 2022. A larger beta is closer to top."""


def pick(
    positions: IntArray,
    scores: NDArray[np.float64],
    budget: int,
    sampling: Sampling,
    beta: float,
    rng: np.random.Generator,
) -> Selection:
    """``budget`` of the positions (U,) by their scores (U,), first pick first.

    The draws are the highest of key + Gumbel(0, 1/beta), with keys log s, s and -log rank. Noise is drawn in the order
    of ``positions``. Power: slices that score 0 (or less) come after all others, among themselves at random. Softrank:
    equal scores share their mean rank. The selection's scores are the keys with their noise; for top the scores.
    """
    if sampling == "top":
        return best(positions, scores, budget)
    noise = rng.gumbel(0.0, 1.0 / beta, len(scores))
    if sampling == "power":
        positive = scores > 0
        keys = np.where(positive, np.log(np.where(positive, scores, 1.0)), -np.inf)
    elif sampling == "softmax":
        keys = scores
    else:
        from scipy.stats import rankdata

        keys = -np.log(rankdata(-scores))
    order = np.lexsort((-noise, -(keys + noise)))[:budget]  # the noise alone orders what has no chance
    return Selection(positions[order], (keys + noise)[order])


def best(positions: IntArray, scores: NDArray[np.float64], budget: int) -> Selection:
    """The ``budget`` positions with the highest scores, highest first; of equal ones the first in ``positions``."""
    order = np.argsort(-scores, kind="stable")[:budget]
    return Selection(positions[order], scores[order])
