from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from alseg_core.models.module import SegmentationModule
from alseg_core.models.unet import UNetDual
from alseg_core.training import inference
from alseg_core.training.inference import Ensemble, chunk_size, label_chunks, predict_labels
from alseg_core.training.member import Member
from tests.conftest import network_of


def unet(seed: int) -> SegmentationModule:
    torch.manual_seed(seed)
    network = UNetDual(widths=(4, 8), dropouts=(0.1, 0.2)).build(1, 3).placed("cpu")
    for _ in range(3):
        network(torch.rand(4, 1, 16, 16))  # moves the statistics of the batch norms
    return network.eval()


def ensemble(count: int) -> Ensemble:
    return Ensemble([Member(unet(seed), seed / 10, 1) for seed in range(count)], "cpu")


def test_probabilities_are_those_of_the_trained_networks() -> None:
    images = torch.rand(5, 1, 16, 16)
    networks = ensemble(3)
    for member, p in zip(networks.members, networks.probabilities(images), strict=True):
        with torch.no_grad():
            torch.testing.assert_close(p, member.network(images).softmax(1), rtol=1e-4, atol=1e-5)
    best = network_of(networks.members[networks.best])
    with torch.no_grad():
        logits, features = best.pixel_features(images)
        for found, expected in zip(networks.pixel_features(images), (logits.softmax(1), features), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(networks.features(images), best.features(images), rtol=1e-4, atol=1e-5)


def test_dropout_passes_scatter_as_those_of_the_network_in_training() -> None:
    networks, images, passes = ensemble(2), torch.rand(2, 1, 16, 16), 400
    found = torch.stack(list(networks.dropout_probabilities(images, passes, seed=0)))
    network = network_of(networks.members[networks.best])
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    with torch.no_grad():
        expected = torch.stack([network(images).softmax(1) for _ in range(passes)])
    error = (expected.var(0) / passes + found.var(0) / passes).sqrt()
    assert ((found.mean(0) - expected.mean(0)).abs() / error).square().mean() == pytest.approx(1, abs=0.3)
    assert float(found.var(0).mean() / expected.var(0).mean()) == pytest.approx(1, abs=0.1)


class Counting(SegmentationModule):
    """Class 1 where a pixel is above one half; remembers how many slices came at a time."""

    seen: ClassVar[list[int]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(len(images))
        return torch.cat([1 - images, images], dim=1)


def test_slices_go_through_in_full_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "PIXELS", {"cpu": 4 * 36, "cuda": 0})
    images = torch.rand(11, 1, 6, 6)
    Counting.seen = []
    labels = predict_labels(Counting(), images, [2, 9])
    assert Counting.seen == [4, 4, 3]
    assert labels.dtype == np.uint8 and np.array_equal(labels, (images[:, 0] > 0.5).numpy())
    assert [len(chunk) for chunk in label_chunks(Counting(), images)] == [4, 4, 3]


def test_a_chunk_is_a_number_of_pixels_and_at_least_one_slice() -> None:
    small, large = chunk_size((64, 64), "cpu"), chunk_size((128, 128), "cpu")
    assert small == 4 * large
    assert chunk_size((10_000, 10_000), "cpu") == 1
    assert chunk_size((64, 64), "cuda:1") > small


def test_ties_go_to_the_first_class() -> None:
    assert (predict_labels(Counting(), torch.full((2, 1, 4, 4), 0.5)) == 0).all()
