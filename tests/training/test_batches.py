from __future__ import annotations

import numpy as np
import pytest
import torch

from alseg_core.data.slices import SliceTable
from alseg_core.training.augment import Augment
from alseg_core.training.batches import (
    Steps,
    TrainingSet,
    balanced_order,
    moved_volume,
    slice_steps,
    volume_steps,
    whole_volumes,
)
from alseg_core.vocabulary import IGNORE

STILL = Augment(rotate_flip=0, rotate=0)


def table(rng: np.random.Generator) -> SliceTable:
    """Four volumes whose rows are shuffled among one another."""
    depths = [3, 5, 1, 4]
    volume, z = np.repeat(np.arange(4), depths), np.concatenate([np.arange(d) for d in depths])
    order = rng.permutation(len(z))
    return SliceTable(tuple("abcd"), tuple("abcd"), volume[order].astype(np.int64), z[order].astype(np.int64))


def volumes(depths: list[int], labelled: list[tuple[int, int]], size: int = 12) -> TrainingSet:
    """Shuffled slices: image = 100 * volume + z + a pattern; labels of the given (volume, z), the rest IGNORE."""
    volume, z = np.repeat(np.arange(len(depths)), depths), np.concatenate([np.arange(d) for d in depths])
    order = np.random.default_rng(0).permutation(len(z))
    volume, z = volume[order], z[order]
    pattern = torch.rand(size, size, generator=torch.Generator().manual_seed(0))
    images = torch.stack([pattern + 100 * int(v) + int(s) for v, s in zip(volume, z, strict=True)]).unsqueeze(1)
    labels = torch.full((len(z), size, size), IGNORE, dtype=torch.uint8)
    for row, where in enumerate(zip(volume.tolist(), z.tolist(), strict=True)):
        if where in labelled:
            labels[row] = (pattern * 3).to(torch.uint8)
    return TrainingSet(images, labels, volume, z, torch.device("cpu"))


Parts = list[tuple[torch.Tensor, torch.Tensor]]


def played(data: TrainingSet, plan: Steps) -> list[Parts]:
    """Images and labels of the parts of every step, not moved."""
    steps = []
    for rows, lengths in zip(plan.rows, plan.parts, strict=True):
        chosen = torch.from_numpy(rows)
        steps.append(list(zip(data.images[chosen].split(lengths), data.labels[chosen].split(lengths), strict=True)))
    return steps


def where(images: torch.Tensor) -> list[tuple[int, int]]:
    """(volume, z) of the slices of a part that was not moved."""
    values = [int(image.min()) for image in images]
    return [(value // 100, value % 100) for value in values]


def test_whole_volumes_against_a_dictionary() -> None:
    rng = np.random.default_rng(1)
    shuffled = table(rng)
    picks = rng.permutation(len(shuffled))[:5]
    labels = rng.integers(0, 4, (5, 2, 2)).astype(np.uint8)
    positions, out = whole_volumes(shuffled, picks, labels)
    bought = {shuffled.locate(int(p)): label for p, label in zip(picks, labels, strict=True)}
    touched = {case for case, _ in bought}
    wanted = {shuffled.locate(i) for i in range(len(shuffled)) if shuffled.locate(i)[0] in touched}
    assert {shuffled.locate(int(p)) for p in positions} == wanted and len(positions) == len(wanted)
    for position, label in zip(positions, out, strict=True):
        expected = bought.get(shuffled.locate(int(position)), np.full((2, 2), IGNORE))
        assert np.array_equal(label, expected)


def test_every_item_is_used_equally_often() -> None:
    order = balanced_order(9, 30, 6, np.random.default_rng(0))
    assert order.shape == (30, 6)
    assert np.bincount(order.ravel(), minlength=9).tolist() == [20] * 9
    assert balanced_order(2, 3, 6, np.random.default_rng(0)).shape == (3, 6)


def test_slices_come_with_their_labels_in_one_part() -> None:
    data = volumes([3, 2], [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)])
    steps = played(data, slice_steps(data, 5, 4, STILL, np.random.default_rng(0)))
    assert len(steps) == 5 and all(len(parts) == 1 for parts in steps)
    seen = [pair for ((images, _),) in steps for pair in where(images)]
    assert sorted(seen) == sorted([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)] * 4)


def test_a_volume_is_one_part_in_order_of_z() -> None:
    data = volumes([3, 5], [(0, z) for z in range(3)] + [(1, 2)])
    steps = played(data, volume_steps(data, 4, 2, 5, STILL, np.random.default_rng(0)))
    assert all(len(parts) == 2 for parts in steps)
    for images, labels in (part for parts in steps for part in parts):
        volume = where(images)[0][0]
        assert where(images) == [(volume, z) for z in range((3, 5)[volume])]
        unmarked = (labels == IGNORE).flatten(1).all(dim=1).tolist()
        assert unmarked == ([False] * 3 if volume == 0 else [True, True, False, True, True])


def test_one_map_moves_all_slices_of_a_volume_and_fills_only_labelled_ones() -> None:
    data = volumes([6], [(0, 1), (0, 4)])
    turned = Augment(rotate_flip=0.4, rotate=1.0)
    plan = volume_steps(data, 12, 1, 6, turned, np.random.default_rng(0))
    maps = set()
    for (part,), numbers in zip(played(data, plan), plan.numbers, strict=True):
        images, labels = moved_volume(turned, *part, 0, torch.from_numpy(numbers[1:]).view(2, 2))
        inside = images[1:2] > 0.5  # pixels from outside are 0
        depth = torch.arange(6).view(6, 1, 1, 1) * inside
        assert torch.allclose(images[1:] - depth[1:], images[1:2] - depth[1:2], atol=1e-4)
        assert (labels[[0, 2, 3, 5]] == IGNORE).all() and (labels[[1, 4]] != IGNORE).all()
        assert torch.equal(labels[1], labels[4])
        maps.add(images[1].numpy().tobytes())
    assert len(maps) > 6


@pytest.mark.parametrize("labelled", [[(0, 0)], [(0, 29)], [(0, 13), (0, 14)]])
def test_windows_of_a_deep_volume_hold_labels(labelled: list[tuple[int, int]]) -> None:
    data = volumes([30], labelled)
    starts = set()
    for ((images, labels),) in played(data, volume_steps(data, 60, 1, 8, STILL, np.random.default_rng(0))):
        zs = [z for _, z in where(images)]
        assert zs == list(range(zs[0], zs[0] + 8))
        assert (labels != IGNORE).any()
        starts.add(zs[0])
    reachable = {s for s in range(23) if any(s <= z < s + 8 for _, z in labelled)}
    assert starts == reachable


def test_volumes_without_a_marked_pixel_are_left_out() -> None:
    data = volumes([30, 4, 12], [(1, 2), (2, 11)])
    steps = played(data, volume_steps(data, 20, 2, 5, STILL, np.random.default_rng(0)))
    assert {where(images)[0][0] for parts in steps for images, _ in parts} == {1, 2}
    assert all((labels != IGNORE).any() for parts in steps for _, labels in parts)
    nothing = volumes([30, 4], [])
    for parts in played(nothing, volume_steps(nothing, 10, 2, 5, STILL, np.random.default_rng(0))):
        assert [len(images) <= 5 for images, _ in parts] == [True, True]


@pytest.mark.parametrize("depth", [5, 6, 33, 300])
def test_a_step_is_as_large_as_its_windows_whatever_the_depth(depth: int) -> None:
    rng = np.random.default_rng(depth)
    for marked in (1, 3, depth):
        labelled = [(0, int(z)) for z in rng.choice(depth, marked, replace=False)]
        data = volumes([depth, 7], [*labelled, (1, 0)], size=2)
        plan = volume_steps(data, 8, 2, 6, STILL, rng)
        for rows, lengths in zip(plan.rows, plan.parts, strict=True):
            for part in np.split(rows, np.cumsum(lengths)[:-1]):
                assert len(part) == min(6, (depth, 7)[data.volume[part[0]]])
                assert (np.diff(data.z[part]) == 1).all() and len(set(data.volume[part])) == 1
                assert (data.labels[torch.from_numpy(part)] != IGNORE).any()


def test_numbers_are_a_draw_and_the_maps_of_the_parts() -> None:
    data = volumes([3, 5], [(0, 0), (1, 1)])
    by_slice = slice_steps(data, 7, 4, Augment(), np.random.default_rng(0))
    by_volume = volume_steps(data, 7, 2, 5, Augment(), np.random.default_rng(0))
    assert by_slice.numbers.shape == (7, 1 + 4 * 4) and by_volume.numbers.shape == (7, 1 + 4 * 2)
    for plan in (by_slice, by_volume):
        assert (
            len(set(plan.numbers[:, 0].tolist())) == 7 and ((plan.numbers[:, 0] >= 0) & (plan.numbers[:, 0] < 1)).all()
        )
        assert np.allclose(np.abs(np.linalg.det(plan.numbers[:, 1:].reshape(-1, 2, 2))), 1, atol=1e-5)
