"""ClaSP PE: class-stratified, scheduled power sampling of predictive entropy."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from alseg_core.metrics.uncertainty import measures
from alseg_core.quantities import Positive
from alseg_core.registry import component
from alseg_core.strategies.sampling import pick
from alseg_core.strategies.scores import PredictionStrategy, predictions
from alseg_core.strategies.view import View
from alseg_core.vocabulary import IntArray, Selection


@component
class ClaspPE(PredictionStrategy):
    """Slices drawn by predictive entropy, a share of them for each foreground class, less random every round.

    Slice scores are means over pixels v of U(v) = PE(v) and, for class c, U_c(v) = PE(v) mean_m p_m(v, c). floor(share
    Q) of the Q picks are divided equally over the foreground classes, the remainder going to random classes; each class
    draws by its U_c from the slices that are left, and the other picks are drawn by U. All draws are power draws
    (s^beta).
    """

    format: ClassVar[int] = 2
    paper: ClassVar[str] = "Lueth et al. 2026"

    share: Annotated[float, Field(ge=0, le=1)] = 0.66
    """Share of the budget that is divided over the foreground classes, in [0, 1]."""
    beta_first: Positive = 1.0
    """Beta of the first query, > 0; it grows by the same factor from query to query."""
    beta_last: Positive = 100.0
    """Beta that a query after the last one would have, > 0: the last one is not yet greedy."""

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`."""
        scores = self._scores(view, rng)
        beta = self.beta(view.round, view.rounds)
        counts = self.counts(budget, scores.shape[1], rng)
        rows: IntArray = np.arange(len(scores))
        picks = []
        for c in [*range(1, len(counts)), 0]:  # the classes first
            drawn = pick(rows, scores[rows, c], int(counts[c]), "power", beta, rng).positions
            picks.append(drawn)
            rows = rows[~np.isin(rows, drawn)]
        return Selection(view.unlabelled[np.concatenate(picks)])

    def beta(self, round: int, rounds: int) -> float:
        """Return b_0 (b_1 / b_0)^(t / T) for query t = 0..T-1 of T = rounds - 1; the first round of a run is random."""
        query, queries = max(round - 1, 0), max(rounds - 1, 1)
        return float(self.beta_first * (self.beta_last / self.beta_first) ** (query / queries))

    def counts(self, budget: int, classes: int, rng: np.random.Generator) -> IntArray:
        """Return the number of picks of each class (K,); entry 0, the background, is for the class-free score."""
        counts = np.zeros(classes, dtype=np.int64)
        stratified = math.floor(self.share * budget + 1e-9)  # .66 x 50 is 33 despite binary rounding
        each, left = divmod(stratified, classes - 1)
        counts[1:] = each
        counts[1 + rng.choice(classes - 1, left, replace=False)] += 1
        counts[0] = budget - stratified
        return counts

    def _scores(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return scores (U, K): column 0 class-free, column c of foreground class c."""
        import torch

        parts = []
        for members in predictions(view, self.source, self.passes, rng):
            pixels, mean = measures(members, ["entropy"])
            entropy = pixels["entropy"].unsqueeze(1)
            weighted = torch.cat([entropy, entropy * mean[:, 1:]], dim=1)
            parts.append(weighted.mean(dim=(2, 3), dtype=torch.float64))
        return torch.cat(parts).cpu().numpy()
