from __future__ import annotations

import itertools

import numpy as np
import pytest

from alseg_core.metrics.deviation import mean_absolute_deviation


@pytest.mark.parametrize("n", [2, 3, 9])
def test_against_all_pairs(n: int) -> None:
    pixels = np.random.default_rng(n).random((n, 30))
    pairs = [np.abs(a - b).mean() for a, b in itertools.combinations(pixels, 2)]
    assert mean_absolute_deviation(pixels) == pytest.approx(np.mean(pairs))


def test_one_slice_has_no_deviation() -> None:
    with pytest.raises(ValueError, match="at least two slices, got 1"):
        mean_absolute_deviation(np.zeros((1, 4)))
