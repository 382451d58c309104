"""Most wrong pixels of every class: a reference that reads ground truth."""

from __future__ import annotations

from typing import ClassVar, cast

import numpy as np

from alseg_core.metrics.uncertainty import mean_prediction
from alseg_core.registry import component
from alseg_core.strategies.view import ReferenceView, Strategy, View
from alseg_core.vocabulary import IGNORE, Selection


@component
class GreedyReference(Strategy):
    """Reference: the slices on which the networks are most wrong, balanced over the foreground classes.

    Greedily maximises sum_c sqrt(sum_{i in picks} e_ic) over foreground classes c, where e_ic counts the pixels of
    slice i that the members' mean prediction gets wrong and whose true or predicted class is c. The square root makes
    the first errors of one class count more than further errors of another. The score of a pick is its gain.
    """

    needs_model: ClassVar[bool] = True
    reads_ground_truth: ClassVar[bool] = True
    paper: ClassVar[str] = "reference, no method"

    def select(self, view: View, budget: int, rng: np.random.Generator) -> Selection:
        """See :class:`Strategy`. The view is a :class:`ReferenceView`."""
        masks = cast(ReferenceView, view).ground_truth()
        parts = []
        for chunk, members in view.member_probabilities(view.unlabelled):
            predicted, truth = mean_prediction(members).max(dim=1).indices.cpu().numpy(), masks[chunk]
            wrong = (predicted != truth) & (truth != IGNORE)
            parts.append([(wrong & ((truth == c) | (predicted == c))).sum(axis=(1, 2)) for c in range(1, view.classes)])
        errors = np.concatenate(parts, axis=1).T.astype(np.float64)  # (U, K - 1)
        left = np.ones(len(errors), dtype=bool)
        total = np.zeros(errors.shape[1])
        rows, gains = [], []
        for _ in range(budget):
            gain = np.where(left, (np.sqrt(total + errors) - np.sqrt(total)).sum(axis=1), -1.0)
            row = int(np.argmax(gain))
            rows.append(row)
            gains.append(gain[row])
            total += errors[row]
            left[row] = False
        return Selection(view.unlabelled[rows], np.array(gains))
