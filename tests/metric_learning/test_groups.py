"""Group relations against the definition, slice by slice."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from alseg_core.data.slices import SliceTable
from alseg_core.metric_learning.groups import relate


def test_relations_are_those_of_the_metadata() -> None:
    # patient p has two volumes, q one; the table is shuffled and volume "b" lacks slice 1
    cases, patients = ("a", "b", "c"), ("p", "p", "q")
    volume, z = np.array([1, 0, 2, 0, 1, 2, 0, 1]), np.array([0, 2, 1, 0, 2, 0, 1, 3])
    table = SliceTable(cases, patients, volume, z)
    positions = np.array([6, 0, 5, 7, 3, 1, 4, 2])
    groups = relate(*(torch.from_numpy(numbers[positions]) for numbers in (table.patient, volume, z)))
    for i, a in enumerate(positions):
        for j, b in enumerate(positions):
            same_volume = cases[volume[a]] == cases[volume[b]]
            assert groups.patient[i, j] == (patients[volume[a]] == patients[volume[b]])
            assert groups.volume[i, j] == same_volume
            assert groups.slice[i, j] == (same_volume and abs(z[a] - z[b]) <= 1)
    assert groups.slice.dtype == torch.bool and groups.slice.sum() < groups.volume.sum() < groups.patient.sum() < 64


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 5)), min_size=1, max_size=12))
def test_relations_equal_the_loop(slices: list[tuple[int, int, int]]) -> None:
    rows = [(patient, 10 * patient + volume, z) for patient, volume, z in slices]
    groups = relate(*torch.tensor(rows).unbind(1))
    for i, (patient, volume, z) in enumerate(rows):
        assert groups.patient[i].tolist() == [other[0] == patient for other in rows]
        assert groups.volume[i].tolist() == [other[1] == volume for other in rows]
        assert groups.slice[i].tolist() == [other[1] == volume and abs(other[2] - z) <= 1 for other in rows]
