"""Two-view augmentation: identity if switched off, each part against its definition, randomness by generator."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from alseg_core.errors import ConfigError
from alseg_core.metric_learning.views import TwoViews
from alseg_core.registry import construct

torch.set_num_threads(1)

OFF: dict[str, Any] = {
    "crop_scale": (1, 1),
    "crop_ratio": (1, 1),
    "flip": 0,
    "degrees": 0,
    "translate": 0,
    "scale": (1, 1),
    "shear": 0,
    "blur_sigma": (0, 0),
    "erase": 0,
}


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def seen(views: TwoViews, images: Tensor, generator: torch.Generator) -> Tensor:
    return views(images, views.draws(len(images), generator))


def pictures(n: int = 3, channels: int = 2, rows: int = 24, columns: int = 30) -> Tensor:
    return torch.rand(n, channels, rows, columns, generator=draws(99))


def test_shape_order_and_generator() -> None:
    images = pictures()
    views = seen(TwoViews(), images, draws())
    assert views.shape == (6, 2, 24, 30) and views.dtype == torch.float32 and torch.isfinite(views).all()
    assert torch.equal(views, seen(TwoViews(), images, draws()))
    assert not torch.equal(views, seen(TwoViews(), images, draws(1)))
    for i in range(3):
        assert not torch.allclose(views[i], views[i + 3], atol=1e-2)  # the two views of a slice differ
    same = seen(TwoViews(), images[:1].repeat(4, 1, 1, 1), draws())
    assert len({round(float(view.mean()), 6) for view in same}) == 8  # and so do slices of a batch


def test_identity_when_everything_is_off() -> None:
    images = pictures()
    views = seen(TwoViews(**OFF), images, draws())
    torch.testing.assert_close(views, images.repeat(2, 1, 1, 1), rtol=0, atol=1e-5)


def test_flip() -> None:
    images = pictures()
    views = seen(TwoViews(**{**OFF, "flip": 1}), images, draws())
    torch.testing.assert_close(views, images.repeat(2, 1, 1, 1).flip(3), rtol=0, atol=1e-5)
    some = seen(TwoViews(**{**OFF, "flip": 0.5}), images[:1].repeat(200, 1, 1, 1), draws())
    share = (some - images[:1]).abs().amax(dim=(1, 2, 3)).gt(0.1).float().mean()
    assert 0.4 < share < 0.6


def test_blur_is_a_gaussian_of_each_images_own_sigma() -> None:
    images = pictures()
    views = seen(TwoViews(**{**OFF, "blur_sigma": (0.8, 0.8)}), images, draws())
    truth = ndimage.gaussian_filter(images.numpy(), sigma=(0, 0, 0.8, 0.8), mode="mirror", radius=(0, 0, 2, 2))
    np.testing.assert_allclose(views[:3].numpy(), truth, atol=1e-4)
    spread = seen(TwoViews(**{**OFF, "blur_sigma": (0.1, 2.0)}), images[:1].repeat(20, 1, 1, 1), draws())
    assert spread.std(dim=(1, 2, 3)).max() > 1.5 * spread.std(dim=(1, 2, 3)).min()


@pytest.mark.parametrize(("rows", "columns"), [(64, 64), (48, 80)])
def test_geometry_stays_within_its_ranges(rows: int, columns: int) -> None:
    """Follow three spots through the map: the linear part found from them has the wanted angle, zoom and shear."""
    spots = [(0, 0), (6, 0), (0, 6)]  # (x, y) in pixels from the centre
    y, x = np.mgrid[:rows, :columns] - np.array([(rows - 1) / 2, (columns - 1) / 2])[:, None, None]
    blobs = [np.exp(-((x - a) ** 2 + (y - b) ** 2) / 8) for a, b in spots]
    images = torch.from_numpy(np.stack(blobs)[None].repeat(60, axis=0)).float()

    def maps(settings: dict[str, Any]) -> np.ndarray:
        views = seen(TwoViews(**{**OFF, **settings}), images, draws()).double().numpy()
        weight = views / views.sum(axis=(2, 3), keepdims=True)
        found = np.stack([(weight * x).sum(axis=(2, 3)), (weight * y).sum(axis=(2, 3))], axis=-1)  # (n, spot, xy)
        return np.concatenate([(found[:, 1:] - found[:, :1]) / 6, found[:, :1]], axis=1)

    turned = maps({"degrees": 15})
    angle = np.degrees(np.arctan2(turned[:, 0, 1], turned[:, 0, 0]))
    assert -15.5 < angle.min() < -10 and 10 < angle.max() < 15.5
    np.testing.assert_allclose(turned[:, 0, 0] * turned[:, 1, 1] - turned[:, 0, 1] * turned[:, 1, 0], 1, atol=0.05)
    zoomed = maps({"scale": (0.8, 1.2)})
    assert 0.78 < zoomed[:, 0, 0].min() < 0.85 and 1.15 < zoomed[:, 0, 0].max() < 1.22
    np.testing.assert_allclose(zoomed[:, 0, 0], zoomed[:, 1, 1], atol=0.02)
    sheared = maps({"shear": 10})
    slant = np.degrees(np.arctan(sheared[:, 1, 0]))
    assert -10.5 < slant.min() < -7 and 7 < slant.max() < 10.5
    np.testing.assert_allclose(sheared[:, 0], [[1, 0]] * 120, atol=0.02)
    both = maps({"degrees": 15, "shear": 40})  # turning and shearing keep areas, in whatever order
    np.testing.assert_allclose(both[:, 0, 0] * both[:, 1, 1] - both[:, 0, 1] * both[:, 1, 0], 1, atol=0.08)
    moved = maps({"translate": 0.2})[:, 2]
    assert (np.abs(moved) <= np.array([columns, rows]) * 0.2 + 0.5).all()
    assert (np.abs(moved).max(axis=0) > np.array([columns, rows]) * 0.15).all()
    cropped = maps({"crop_scale": (0.8, 1.0), "crop_ratio": (3 / 4, 4 / 3)})
    gain_x, gain_y = cropped[:, 0, 0], cropped[:, 1, 1]  # a crop of share s of a side enlarges it by 1 / s
    assert ((1 / (gain_x * gain_y) > 0.78) & (1 / (gain_x * gain_y) < 1.01)).all()
    assert ((gain_y / gain_x > 0.74) & (gain_y / gain_x < 1.35)).all() and (gain_y / gain_x).std() > 0.05
    assert gain_x.min() > 0.98 and gain_y.min() > 0.98  # the crop never leaves the image


def test_crop_shows_only_the_image() -> None:
    ones = torch.ones(50, 1, 32, 32)
    views = seen(TwoViews(**{**OFF, "crop_scale": (0.5, 0.9), "crop_ratio": (0.5, 2)}), ones, draws())
    torch.testing.assert_close(views[:, :, 1:-1, 1:-1], torch.ones(100, 1, 30, 30))


def test_erasing_sets_a_rectangle_to_zero() -> None:
    ones = torch.ones(400, 1, 60, 60)
    erased = seen(TwoViews(**{**OFF, "erase": 0.2}), ones, draws()).round()[:, 0] == 0
    hit = erased.any(dim=(1, 2))
    assert 0.15 < hit.float().mean() < 0.25
    for mask in erased[hit]:
        rows, columns = mask.any(dim=1), mask.any(dim=0)
        assert torch.equal(mask, rows[:, None] & columns[None])  # a full rectangle ...
        assert int(rows.nonzero().max() - rows.nonzero().min()) + 1 == int(rows.sum())  # ... without gaps
        area, ratio = float(mask.float().mean()), float(rows.sum() / columns.sum())
        assert 0.01 < area < 0.36 and math.log(0.25) < math.log(ratio) < math.log(4)


@pytest.mark.parametrize("wrong", [{"scale": (1.2, 0.8)}, {"flip": 1.5}, {"crop_scale": (0.5, 1.5)}, {"rotate": 3}])
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        construct(TwoViews, wrong, "views")
