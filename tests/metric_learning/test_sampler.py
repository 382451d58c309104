"""Algorithm 1: invariants of every batch and epoch, and termination."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alseg_core.data.slices import SliceTable
from alseg_core.metric_learning.sampler import GroupName, epoch_batches, groups_per_batch, partners

LOSSES: list[tuple[GroupName, ...]] = [
    (),
    ("slice",),
    ("volume",),
    ("patient",),
    ("volume", "patient"),
    ("slice", "volume", "patient"),
]


def table_of(patients: list[list[int]], rng: np.random.Generator) -> SliceTable:
    """Make a table in shuffled order from one entry per patient, the slice counts of its volumes."""
    depths = [depth for volumes in patients for depth in volumes]
    owner = tuple(f"p{i}" for i, volumes in enumerate(patients) for _ in volumes)
    volume = np.repeat(np.arange(len(depths)), depths)
    z = np.concatenate([np.arange(depth) for depth in depths])
    order = rng.permutation(len(z))
    return SliceTable(tuple(f"v{i}" for i in range(len(depths))), owner, volume[order], z[order])


def split_groups(table: SliceTable, batch: np.ndarray) -> list[list[int]]:
    """Groups of a batch: runs of one patient (groups of a batch are of different patients)."""
    groups: list[list[int]] = []
    for i in batch.tolist():
        if groups and table.patient[groups[-1][0]] == table.patient[i]:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def check_epoch(table: SliceTable, losses: tuple[GroupName, ...], batches: list[np.ndarray], batch: int) -> None:
    anchors = []
    for positions in batches:
        groups = split_groups(table, positions)
        patients = [table.patient[g[0]] for g in groups]
        assert len(set(patients)) == len(patients) <= groups_per_batch(losses, batch)
        assert len(set(positions.tolist())) == len(positions) and positions.dtype == np.int64
        for group in groups:
            check_group(table, losses, group)
        anchors += [g[0] for g in groups]
    assert sorted(anchors) == list(range(len(table)))  # each slice is an anchor exactly once


def check_group(table: SliceTable, losses: tuple[GroupName, ...], group: list[int]) -> None:
    """Partners in the order slice, volume, patient; one is left out only where no candidate is free."""
    anchor, rest = group[0], group[1:]
    used = [anchor]
    for loss in ("slice", "volume", "patient"):
        if loss not in losses:
            continue
        same_volume = table.volume == table.volume[anchor]
        candidates = {
            "slice": same_volume & (np.abs(table.z - table.z[anchor]) == 1),
            "volume": same_volume,
            "patient": table.patient == table.patient[anchor],
        }[loss]
        free = set(np.flatnonzero(candidates).tolist()) - set(used)
        if free:
            assert rest[0] in free
            used.append(rest.pop(0))
    assert not rest


@pytest.mark.parametrize("losses", LOSSES)
def test_a_usual_pool(losses: tuple[GroupName, ...]) -> None:
    rng = np.random.default_rng(0)
    table = table_of([[int(rng.integers(6, 12))] * 2 for _ in range(15)], rng)
    batches = epoch_batches(table, losses, 8, rng)
    check_epoch(table, losses, batches, 8)
    full = groups_per_batch(losses, 8)
    short = sum(len(split_groups(table, b)) < full for b in batches)
    assert short <= 0.1 * len(batches) + 2  # the tail of nearly empty batches is short


@settings(max_examples=60, deadline=None)
@given(
    patients=st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=3), min_size=1, max_size=7),
    losses=st.sampled_from(LOSSES),
    batch=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_any_pool(patients: list[list[int]], losses: tuple[GroupName, ...], batch: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = table_of(patients, rng)
    check_epoch(table, losses, epoch_batches(table, losses, batch, rng), batch)


@pytest.mark.parametrize("patients", [[[1]], [[1], [1], [1]], [[1, 1]], [[7]], [[9], [1]]])
def test_it_ends(patients: list[list[int]]) -> None:
    """One-slice patients and volumes, one patient only, fewer patients than a batch needs."""
    table = table_of(patients, np.random.default_rng(0))
    for losses in LOSSES:
        check_epoch(table, losses, epoch_batches(table, losses, 8, np.random.default_rng(1)), 8)


@pytest.mark.parametrize("losses", LOSSES)
def test_batches_by_losses_follow_them_and_patient_mates_do_not(losses: tuple[GroupName, ...]) -> None:
    table = table_of([[8, 8]] * 10, np.random.default_rng(0))
    assert set(partners("by_losses", losses)) == set(losses)
    mates = partners("patient_mates", losses)
    drawn = epoch_batches(table, mates, 8, np.random.default_rng(0))
    always = epoch_batches(table, ("slice", "volume", "patient"), 8, np.random.default_rng(0))
    assert len(drawn) == len(always) and all(map(np.array_equal, drawn, always))
    for group in split_groups(table, drawn[0]):  # in every group each group loss finds a positive
        anchor, neighbour, volume_mate, patient_mate = group
        assert abs(table.z[anchor] - table.z[neighbour]) == 1
        assert table.volume[anchor] == table.volume[neighbour] == table.volume[volume_mate]
        assert table.patient[anchor] == table.patient[patient_mate]


def test_batch_sizes_of_the_paper() -> None:
    table = table_of([[8, 8]] * 10, np.random.default_rng(0))
    for losses, size in zip(LOSSES, (8, 8, 8, 8, 9, 8), strict=True):
        assert len(epoch_batches(table, losses, 8, np.random.default_rng(0))[0]) == size
    assert len(epoch_batches(table, ("volume", "patient"), 9, np.random.default_rng(0))[0]) == 9


def test_partners_vary_and_the_seed_decides() -> None:
    table = table_of([[6, 6]] * 4, np.random.default_rng(0))
    losses: tuple[GroupName, ...] = ("slice", "volume", "patient")
    neighbours, others = set(), set()
    for seed in range(60):
        for batch in epoch_batches(table, losses, 8, np.random.default_rng(seed)):
            for group in split_groups(table, batch):
                if table.z[group[0]] == 2 and table.volume[group[0]] == 0:
                    neighbours.add(int(table.z[group[1]]))
                    others.add(int(table.volume[group[3]]))
    assert neighbours == {1, 3} and others == {0, 1}
    first, again, other = (epoch_batches(table, losses, 8, np.random.default_rng(s)) for s in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=False))


def test_an_epoch_is_cheap() -> None:
    rng = np.random.default_rng(0)
    table = table_of([[9, 9]] * 72, rng)
    started = time.process_time()
    epoch_batches(table, ("slice", "volume", "patient"), 8, rng)
    assert time.process_time() - started < 0.5  # about 0.02 s; a search through the table for each anchor takes seconds
