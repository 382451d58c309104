from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from alseg_core.metrics.overlap import dice, dice_scores, overlaps


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


def test_counts_of_slices_add_up_to_the_dice_of_their_volume() -> None:
    rng = np.random.default_rng(1)
    prediction, truth = (rng.integers(0, 4, (6, 9, 7)).astype(np.uint8) for _ in range(2))
    prediction[:3][prediction[:3] == 2] = 0
    truth[:3][truth[:3] == 2] = 0  # nothing of class 2 in the first volume
    counts = overlaps(torch.from_numpy(prediction), torch.from_numpy(truth), 4)
    assert counts.shape == (6, 3, 2)
    for volume in (slice(0, 3), slice(3, 6)):
        found = dice(counts[volume].sum(0).numpy())
        np.testing.assert_array_equal(found, dice_scores(prediction[volume], truth[volume], 4))
        assert math.isnan(found[1]) == (volume.start == 0)
