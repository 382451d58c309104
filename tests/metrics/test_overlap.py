from __future__ import annotations

import math

import numpy as np
import pytest

from alseg_core.metrics.overlap import dice_scores


def test_against_sets() -> None:
    rng = np.random.default_rng(0)
    prediction, truth = (rng.integers(0, 4, (3, 8, 8)).astype(np.uint8) for _ in range(2))
    for c, score in enumerate(dice_scores(prediction, truth, 4), start=1):
        ours, theirs = set(np.flatnonzero(prediction == c)), set(np.flatnonzero(truth == c))
        assert score == pytest.approx(2 * len(ours & theirs) / (len(ours) + len(theirs)))


def test_empty_policy() -> None:
    empty, full = np.zeros((1, 2, 2), dtype=np.uint8), np.ones((1, 2, 2), dtype=np.uint8)
    assert math.isnan(dice_scores(empty, empty, 2)[0])
    assert dice_scores(empty, full, 2) == [0]
    assert dice_scores(full, empty, 2) == [0]
    assert dice_scores(full, full, 2) == [1]
