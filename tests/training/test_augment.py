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


def test_turns_and_flips_are_exact_and_cover_the_four_mirror_images() -> None:
    images, labels = batch(64)
    moved, marked = Augment(rotate_flip=1.0)(images, labels, 255, np.random.default_rng(0))
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
    moved, marked = augment(images, labels, fill, np.random.default_rng(3))
    maps = augment.matrices(6, np.random.default_rng(3))
    for i in range(6):
        angle = np.rad2deg(np.arctan2(maps[i, 1, 0], maps[i, 0, 0]))
        assert 0 < abs(angle) <= 20
        middle = np.array([5.5, 5.5])
        offset = middle - maps[i] @ middle
        truth = affine_transform(labels[i].numpy().astype(int), maps[i], offset, order=0, cval=fill, mode="constant")
        # scipy cuts at pixel centres, we at pixel borders: compare where both have a value
        same = (marked[i].numpy() == truth) | (truth == fill)
        assert same.all()
        outside = marked[i].numpy() == fill
        assert (moved[i, 0].numpy()[outside & (labels[i].min().item() > fill or fill == 255)] == 0).all()


def test_shares_of_the_kinds() -> None:
    maps = Augment().matrices(4000, np.random.default_rng(0))
    same = (np.abs(maps - np.eye(2)) < 1e-6).all(axis=(1, 2)).mean()
    straight = (np.minimum(np.abs(maps), np.abs(np.abs(maps) - 1)) < 1e-6).all(axis=(1, 2)).mean()
    # a quarter stays as it is; a turn by k x 90 degrees followed by a flip is never the identity
    assert same == pytest.approx(0.25, abs=0.03)
    assert straight == pytest.approx(0.75, abs=0.03)


def test_same_generator_same_result() -> None:
    images, labels = batch()
    results = [Augment()(images, labels, 0, np.random.default_rng(1))[0] for _ in range(2)]
    assert torch.equal(*results)
