"""Group relations against the definition, slice by slice."""

from __future__ import annotations

import numpy as np

from alseg_core.data.slices import SliceTable
from alseg_core.metric_learning.groups import relate


def test_relations_are_those_of_the_metadata() -> None:
    # patient p has two volumes, q one; the table is shuffled and volume "b" lacks slice 1
    cases, patients = ("a", "b", "c"), ("p", "p", "q")
    volume, z = np.array([1, 0, 2, 0, 1, 2, 0, 1]), np.array([0, 2, 1, 0, 2, 0, 1, 3])
    table = SliceTable(cases, patients, volume, z)
    positions = np.array([6, 0, 5, 7, 3, 1, 4, 2])
    groups = relate(table, positions)
    for i, a in enumerate(positions):
        for j, b in enumerate(positions):
            same_volume = cases[volume[a]] == cases[volume[b]]
            assert groups.patient[i, j] == (patients[volume[a]] == patients[volume[b]])
            assert groups.volume[i, j] == same_volume
            assert groups.slice[i, j] == (same_volume and abs(z[a] - z[b]) <= 1)
    assert groups.slice.dtype == bool and groups.slice.sum() < groups.volume.sum() < groups.patient.sum() < 64
