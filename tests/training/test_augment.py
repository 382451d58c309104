from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform

from alseg_core.training.augment import Augment


def batch(count: int = 40, size: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 1, size, size, generator=generator) + 0.5
    return images, (images[:, 0] * 100).to(torch.uint8)


def maps(augment: Augment, count: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(augment.matrices(count, np.random.default_rng(seed)))


def test_turns_and_flips_are_exact_and_cover_the_four_mirror_images() -> None:
    images, labels = batch(64)
    augment = Augment(rotate_flip=1.0)
    moved, marked = augment(images, labels, 255, maps(augment, 64, 0))
    seen = set()
    for before, after, label in zip(images[:, 0], moved[:, 0], marked, strict=True):
        options = [np.rot90(before.numpy()[::-1], k) for k in range(4)]  # a turn and a flip, as published
        matches = [i for i, option in enumerate(options) if np.array_equal(option, after.numpy())]
        assert len(matches) == 1
        seen.add(matches[0])
        assert torch.equal(label, (after * 100).to(torch.uint8))
    assert seen == set(range(4))


@pytest.mark.parametrize("fill", [0, 255])
def test_tilt_against_scipy(fill: int) -> None:
    images, labels = batch(6)
    augment = Augment(rotate_flip=0.0, rotate=1.0, degrees=20)
    drawn = augment.matrices(6, np.random.default_rng(3))
    moved, marked = augment(images, labels, fill, maps(augment, 6, 3))
    for i in range(6):
        angle = np.rad2deg(np.arctan2(drawn[i, 1, 0], drawn[i, 0, 0]))
        assert 0 < abs(angle) <= 20
        middle = np.array([5.5, 5.5])
        offset = middle - drawn[i] @ middle
        truth = affine_transform(labels[i].numpy().astype(int), drawn[i], offset, order=0, cval=fill, mode="constant")
        # scipy cuts at pixel centres, we at pixel borders: compare where both have a value
        same = (marked[i].numpy() == truth) | (truth == fill)
        assert same.all()
        outside = marked[i].numpy() == fill
        assert (moved[i, 0].numpy()[outside & (labels[i].min().item() > fill or fill == 255)] == 0).all()


def test_shares_of_the_kinds() -> None:
    drawn = Augment().matrices(4000, np.random.default_rng(0))
    same = (np.abs(drawn - np.eye(2)) < 1e-6).all(axis=(1, 2)).mean()
    straight = (np.minimum(np.abs(drawn), np.abs(np.abs(drawn) - 1)) < 1e-6).all(axis=(1, 2)).mean()
    # a quarter stays as it is; a turn by k x 90 degrees followed by a flip is never the identity
    assert same == pytest.approx(0.25, abs=0.03)
    assert straight == pytest.approx(0.75, abs=0.03)


def test_each_slice_is_moved_by_its_own_map() -> None:
    images, labels = batch(5)
    drawn = maps(Augment(), 5, 1)
    together = Augment()(images, labels, 0, drawn)
    for i in range(5):
        alone = Augment()(images[i : i + 1], labels[i : i + 1], 0, drawn[i : i + 1])
        assert all(torch.equal(a[i : i + 1], b) for a, b in zip(together, alone, strict=True))
