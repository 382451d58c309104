"""Test-time augmentation: a model that turns with its images gives the same prediction throughout, another does not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from alseg_core.data.slices import Slices, SliceTable
from alseg_core.geometry.symmetries import symmetries
from alseg_core.metrics.uncertainty import measures
from alseg_core.signals import Signals
from alseg_core.strategies import STRATEGIES
from alseg_core.training.inference import Ensemble
from alseg_core.training.member import Member


class Contrast:
    """No torch network: class 1 where a pixel is brighter than the mean of its four neighbours."""

    window: int | None = None

    def __call__(self, images: Tensor) -> Tensor:
        around = sum(images.roll(step, axis) for axis in (2, 3) for step in (-1, 1)) / 4
        return 4 * torch.cat([around - images, images - around], dim=1)

    def state_dict(self) -> dict[str, Any]:
        return {}


class LeftHalf(Contrast):
    """Certain of class 1 in the left half and of class 0 in the right one, whatever the image."""

    def __call__(self, images: Tensor) -> Tensor:
        left = (torch.arange(images.shape[3]) < images.shape[3] // 2).float() * 200 - 100
        field = left.expand(len(images), 1, *images.shape[2:])
        return torch.cat([-field, field], dim=1)


def ensemble(*models: Contrast) -> Ensemble:
    return Ensemble([Member(model, 0.1 * i, 1) for i, model in enumerate(models)], "cpu")


def test_a_model_that_turns_with_its_images_does_not_disagree() -> None:
    images = torch.rand(3, 1, 8, 8).mul(255).round().div(256)  # sums of neighbours are exact in any order
    found = list(ensemble(Contrast()).tta_probabilities(images, symmetries((8, 8))))
    assert all(torch.equal(p, found[0]) for p in found) and len(found) == 8
    pixels, mean = measures(iter(found), ["bald", "variance_ratio", "entropy"])
    assert pixels["variance_ratio"].max() == 0 and pixels["bald"].max() < 1e-6  # entropies are summed in float32
    torch.testing.assert_close(mean, found[0])
    assert pixels["entropy"].max() > 0.1


def test_a_model_that_does_not_turn_disagrees_by_the_known_amount() -> None:
    """Every pixel is in the left half of the image under four of the eight symmetries."""
    found = list(ensemble(LeftHalf()).tta_probabilities(torch.rand(1, 1, 6, 6), symmetries((6, 6))))
    votes = torch.stack(found)[:, 0, 1].sum(dim=0)
    assert torch.equal(votes, torch.full((6, 6), 4.0))
    pixels, _ = measures(iter(found), ["bald", "variance_ratio"])
    torch.testing.assert_close(pixels["bald"], torch.full((1, 6, 6), math.log(2)), rtol=0, atol=1e-6)
    assert torch.equal(pixels["variance_ratio"], torch.full((1, 6, 6), 0.5))


def test_the_best_member_is_asked_and_any_model_will_do() -> None:
    images = torch.rand(2, 1, 6, 6)
    identity = symmetries((6, 6))[:1]
    (found,) = ensemble(Contrast(), LeftHalf()).tta_probabilities(images, identity)  # the second has the higher Dice
    assert torch.equal(found.argmax(1), LeftHalf()(images).argmax(1))


@pytest.mark.parametrize(("rows", "columns"), [(6, 6), (4, 6)])
def test_a_view_scores_slices_of_any_shape(rows: int, columns: int) -> None:
    """On a rectangle, which has no quarter turns, the left half is on the left in half of the symmetries."""
    rng = np.random.default_rng(0)
    n = 70_000 // (rows * columns) * 2  # more than one chunk
    table = SliceTable(("a",), ("p",), np.zeros(n, np.int64), np.arange(n))
    slices = Slices(table, rng.random((n, 1, rows, columns), dtype=np.float32), np.arange(n))
    view = Signals(
        slices=slices,
        labelled=np.arange(1),
        unlabelled=np.arange(1, n),
        classes=2,
        round=1,
        rounds=2,
        device="cpu",
        ensemble=ensemble(LeftHalf()),
    )
    assert len(list(view.tta_probabilities(view.unlabelled, 8, np.random.default_rng(0)))) > 1
    for name, passes in (("bald", 8), ("variance_ratio", 8)):
        spec = {"name": name, "source": "tta", "passes": passes}
        selection = STRATEGIES.build(spec).select(view, 3, np.random.default_rng(1))
        assert selection.positions.tolist() == [1, 2, 3]  # all slices are equally doubtful
        assert selection.scores is not None
        assert selection.scores[0] == pytest.approx(math.log(2) if name == "bald" else 0.5, abs=1e-5)
