"""Training as a GPU does it, proved on the CPU: replayed steps, few questions of the host, half precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from alseg_core.models import SegmentationModule
from alseg_core.registry import construct
from alseg_core.training import NetworkTrainer
from alseg_core.training import network_trainer as module
from alseg_core.training.batches import TrainingSet
from alseg_core.training.member import Member
from alseg_core.vocabulary import IGNORE
from tests.conftest import network_of
from tests.device.emulated import Counted, EmulatedGraphs

FULL = {"network": {"name": "unet", "widths": [4, 8], "dropouts": [0.1, 0.2]}, "loss": "ce_dice"}
WEAK = {"network": {"name": "unet_dual", "widths": [4, 8], "dropouts": [0.1, 0.2]}, "loss": "dmpls"}

VOLUME = {"name": "dynunet_dual", "width": 2, "cap": 4, "window": 8, "spacing_mm": [4, 1, 1], "shape": [12, 16, 16]}
DEEP = {"network": VOLUME, "loss": "dmpls", "batch": 1}


def task(count: int = 12, noise: float = 0.5) -> TrainingSet:
    """Bright squares in noise; of three quarters of the pixels the label is unknown."""
    rng = np.random.default_rng(0)
    masks = np.zeros((count, 16, 16), np.uint8)
    for mask in masks:
        y, x = rng.integers(0, 9, 2)
        mask[y : y + 7, x : x + 7] = 1
    images = (masks[:, None] + rng.normal(0, noise, (count, 1, 16, 16))).astype(np.float32)
    labels = np.where(rng.random(masks.shape) < 0.25, masks, IGNORE).astype(np.uint8)
    return TrainingSet.of(images, labels, np.zeros(count, np.int64), np.arange(count), "cpu")


def fit(steps: int, seed: int = 0, validate_every: int = 10, **fields: Any) -> Member:
    trainer = construct(NetworkTrainer, {**WEAK, "validate_every": validate_every, "lr": 0.05, **fields}, "train")
    rng = np.random.default_rng(seed)
    return trainer.fit(task(), 2, steps, IGNORE, lambda network: 0.0, rng, lambda done: None)


def weights(member: Member) -> torch.Tensor:
    return torch.cat([value.double().flatten() for value in member.network.state_dict().values()])


@pytest.mark.parametrize(
    "fields", [FULL, WEAK, {**WEAK, "optimiser": "adam", "lr": 1e-3, "clip_norm": 0.5}], ids=["full", "weak", "adam"]
)
def test_replayed_training_is_the_training(fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Learning rate, augmentation, mix of the pseudo label and dropout change from step to step under replay too."""
    plain = weights(fit(12, validate_every=12, **fields))
    graphs = EmulatedGraphs()
    monkeypatch.setattr(module, "recorder", lambda device: graphs)
    replayed = weights(fit(12, validate_every=12, **fields))
    assert graphs.recorded == 1 and graphs.replayed == 9
    assert (plain - replayed).norm() < 1e-4 * plain.norm()
    assert (plain - weights(fit(12, seed=1, validate_every=12, **fields))).norm() > 0.1 * plain.norm()


@pytest.mark.parametrize("fields", [FULL, WEAK, DEEP], ids=["full", "weak", "3d"])
def test_the_host_asks_once_a_validation_whatever_the_steps(fields: dict[str, Any]) -> None:
    asked = []
    for every in (2, 10):
        with Counted() as host:
            fit(20, validate_every=every, **fields)
        asked.append(host.count)
    start = asked[1] - 2  # building the network and the optimiser
    assert asked == [start + 10, start + 2] and start < 10


def test_volumes_are_not_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = EmulatedGraphs()
    monkeypatch.setattr(module, "recorder", lambda device: graphs)
    fit(6, network={"name": "unet3d", "widths": [4, 8, 8]}, loss="ce_dice", batch=1)
    assert graphs.recorded == graphs.replayed == 0


@pytest.mark.parametrize("fields", [FULL, WEAK], ids=["full", "weak"])
def test_bfloat16_trains_as_well_as_float32(fields: dict[str, Any]) -> None:
    """Dice of the training squares over seeds: the difference of the precisions is within their noise."""
    truth = task(noise=0.0).images[:, 0] > 0.5
    dice: dict[str, list[float]] = {}
    for precision in ("float32", "bfloat16"):
        for seed in range(5):
            network = network_of(fit(60, seed, 60, precision=precision, **fields))
            assert all(p.dtype == torch.float32 for p in network.parameters())
            dice.setdefault(precision, []).append(_dice(network, truth))
    gap = np.subtract(dice["bfloat16"], dice["float32"])
    assert min(np.mean(dice["float32"]), np.mean(dice["bfloat16"])) > 0.85
    assert abs(gap.mean()) < 0.03


def _dice(network: SegmentationModule, truth: torch.Tensor) -> float:
    with torch.inference_mode():
        found = network(task().images).argmax(dim=1) == 1
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


def test_precision_is_that_of_the_network_alone() -> None:
    dtypes = set()

    def spy(network: SegmentationModule) -> float:
        network.encoder.blocks[0][0].register_forward_hook(lambda m, i, out: dtypes.add(out.dtype))
        return 0.0

    for precision, wanted in (("auto", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        trainer = construct(NetworkTrainer, {**WEAK, "validate_every": 1, "precision": precision}, "train")
        dtypes.clear()
        trainer.fit(task(), 2, 3, IGNORE, spy, np.random.default_rng(0), lambda done: None)
        assert dtypes == {wanted}
