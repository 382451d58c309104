"""Picking slices: the best by a score, a random draw that favours high scores, a random draw by class."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alseg_core.vocabulary import IntArray, Selection

Sampling = Literal["top", "power", "softmax", "softrank"]
"""How slices are picked by their score s. "top": the highest scores. The others draw one slice after another without
replacement, with probability proportional to s^beta ("power"), exp(beta s) ("softmax") or rank^-beta with rank 1 the
best ("softrank"): Kirsch et al., "Stochastic batch acquisition", 2022. A larger beta is closer to "top"."""


def pick(
    positions: IntArray,
    scores: NDArray[np.float64],
    budget: int,
    sampling: Sampling,
    beta: float,
    rng: np.random.Generator,
) -> Selection:
    """Pick ``budget`` of the positions (U,) by their scores (U,), first pick first.

    The draws are the highest of key + Gumbel(0, 1/beta), with keys log s, s and -log rank. Noise is drawn in the order
    of ``positions``. With "power", slices that score 0 or less come last, in random order. With "softrank", equal
    scores share their mean rank. The selection's scores are the noisy keys; with "top", the scores themselves.
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
    order = np.lexsort((-noise, -(keys + noise)))[:budget]  # keys of -inf are ordered by their noise alone
    return Selection(positions[order], (keys + noise)[order])


def best(positions: IntArray, scores: NDArray[np.float64], budget: int) -> Selection:
    """Pick the ``budget`` positions with the highest scores, highest first; ties go to the first in ``positions``."""
    order = np.argsort(-scores, kind="stable")[:budget]
    return Selection(positions[order], scores[order])


def draw_by_class(holds: NDArray[np.bool_], rho: float, budget: int, rng: np.random.Generator) -> IntArray:
    """Draw ``budget`` different rows one after another, each with probability ``rho`` among those of a random class.

    holds: (n, K) bool, whether a slice holds a class. The class is drawn uniformly among those that rows not drawn yet
    hold; otherwise, and if there is no such class, the row is drawn among all that are left.
    """
    left = np.arange(len(holds))
    rows = np.empty(budget, dtype=np.int64)
    for i in range(budget):
        candidates = left
        present = np.flatnonzero(holds[left].any(axis=0))
        if len(present) and rng.random() < rho:
            candidates = left[holds[left, rng.choice(present)]]
        rows[i] = rng.choice(candidates)
        left = left[left != rows[i]]
    return rows
