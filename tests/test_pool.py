from __future__ import annotations

import numpy as np
import pytest

from alseg_core.errors import PoolError
from alseg_core.pool import Pool
from alseg_core.vocabulary import Annotation, Selection


def annotation(*positions: int) -> Annotation:
    labels = np.stack([np.full((2, 2), p, dtype=np.uint8) for p in positions])
    return Annotation(np.array(positions, dtype=np.int64), labels, float(len(positions)))


def test_labels_come_back_with_their_positions() -> None:
    pool = Pool(10)
    pool.add(annotation(7, 2), 0)
    pool.add(annotation(5), 1)
    positions, labels = pool.labels()
    assert positions.tolist() == [7, 2, 5]
    assert labels[:, 0, 0].tolist() == [7, 2, 5]
    assert pool.labelled.tolist() == [2, 5, 7]
    assert pool.unlabelled.tolist() == [0, 1, 3, 4, 6, 8, 9]
    assert pool.cost == 3


@pytest.mark.parametrize(
    ("positions", "budget", "message"),
    [
        ([1, 2, 3], 2, "asked for 2 slices"),
        ([1, 1], 2, "picked 1 slices twice"),
        ([1, 10], 2, r"\[10\] are outside the pool 0..9"),
        ([-1, 3], 2, "outside the pool"),
        ([4, 3], 2, r"\[4\] are labelled already"),
    ],
)
def test_a_selection_that_does_not_fit_is_refused(positions: list[int], budget: int, message: str) -> None:
    pool = Pool(10)
    pool.add(annotation(4), 0)
    with pytest.raises(PoolError, match=message):
        pool.check(Selection(np.array(positions, dtype=np.int64)), budget)


def test_nothing_is_labelled_twice() -> None:
    pool = Pool(10)
    pool.add(annotation(4), 0)
    with pytest.raises(PoolError, match="labelled already"):
        pool.add(annotation(4), 1)
