from __future__ import annotations

import numpy as np
import pytest
import torch

from alseg_core.errors import AlsegError, ConfigError
from alseg_core.models import UNetModule
from alseg_core.registry import construct
from alseg_core.training.inference import Ensemble, predict_labels
from alseg_core.training.schedule import poly
from alseg_core.training.trainer import Member, Trainer

FIELDS = {
    "network": {"name": "unet", "widths": [8, 16], "dropouts": [0.1, 0.2]},
    "loss": "ce_dice",
    "iterations_full": 60,
    "validate_every": 25,
}


def squares(count: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Bright squares on dark ground, and their masks."""
    rng = np.random.default_rng(0)
    masks = np.zeros((count, 16, 16), dtype=np.uint8)
    for mask in masks:
        y, x = rng.integers(0, 9, 2)
        mask[y : y + 7, x : x + 7] = 1
    images = masks[:, None] + rng.normal(0, 0.2, (count, 1, 16, 16))
    return torch.from_numpy(images.astype(np.float32)), torch.from_numpy(masks)


def train(seed: int = 0, **fields: object) -> tuple[Member, list[float], list[int]]:
    images, labels = squares()
    scores: list[float] = []

    def validate(network: UNetModule) -> float:
        assert not network.training
        scores.append(float((predict_labels(network, images) == labels.numpy()).mean()))
        return scores[-1]

    steps: list[int] = []
    trainer = construct(Trainer, {**FIELDS, **fields}, "train")
    return trainer.fit(images, labels, 2, 1.0, 0, validate, np.random.default_rng(seed), steps.append), scores, steps


def test_learns_validates_on_time_and_keeps_the_best() -> None:
    member, scores, steps = train()
    assert steps == list(range(1, 61))
    assert len(scores) == 3  # after 25, 50 and at the end
    assert member.validation_dice == max(scores) > 0.9
    images, labels = squares()
    assert (predict_labels(member.network, images) == labels.numpy()).mean() == pytest.approx(max(scores))


def test_same_seed_same_network_whatever_the_global_state() -> None:
    torch.manual_seed(1)
    first, _, _ = train(seed=3)
    torch.manual_seed(2)
    second, _, _ = train(seed=3)
    other, _, _ = train(seed=4)
    for (name, a), (_, b), (_, c) in zip(
        *(m.network.state_dict().items() for m in (first, second, other)), strict=True
    ):
        assert torch.equal(a, b), name
        if name.endswith("0.weight"):
            assert not torch.equal(a, c)


def test_steps_follow_the_labelled_share() -> None:
    trainer = construct(Trainer, {**FIELDS, "iterations_full": 60000}, "train")
    assert [trainer.iterations(f) for f in (0.01, 0.05, 1.0, 1e-9)] == [600, 3000, 60000, 1]


def test_every_slice_is_used_equally_often() -> None:
    trainer = construct(Trainer, {**FIELDS, "batch": 6}, "train")
    order = trainer._order(9, 30, np.random.default_rng(0))
    assert order.shape == (30, 6)
    assert np.bincount(order.ravel(), minlength=9).tolist() == [20] * 9
    assert trainer._order(2, 3, np.random.default_rng(0)).shape == (3, 6)


def test_poly_schedule() -> None:
    assert poly(0, 100, 0.9) == 1
    assert poly(50, 100, 0.9) == pytest.approx(0.5**0.9)


def test_a_loss_that_is_no_number_is_an_error() -> None:
    with pytest.raises(AlsegError, match="loss nan at step .* Try a lower lr"):
        train(lr=1e9)


def test_dmpls_needs_two_heads() -> None:
    with pytest.raises(ConfigError, match="use network unet_dual"):
        construct(Trainer, {**FIELDS, "loss": "dmpls"}, "train")


def test_dropout_passes_differ_and_leave_batch_norm_alone() -> None:
    member, _, _ = train()
    images, _ = squares()
    ensemble = Ensemble([member], "cpu")
    before = {k: v.clone() for k, v in member.network.state_dict().items()}
    first, second = ensemble.dropout_probabilities(images, 2, seed=0)
    assert not torch.equal(first, second)
    again = next(iter(ensemble.dropout_probabilities(images, 2, seed=0)))
    assert torch.equal(first, again)
    assert all(torch.equal(before[k], v) for k, v in member.network.state_dict().items())
    assert not any(m.training for m in member.network.modules())


def test_best_member_and_restoring() -> None:
    members = [Member(train(seed)[0].network, dice, 60) for seed, dice in ((0, 0.2), (1, 0.7), (2, 0.7))]
    ensemble = Ensemble(members, "cpu")
    assert ensemble.best == 1
    trainer = construct(Trainer, FIELDS, "train")
    restored = Ensemble.restore(ensemble.state(), trainer.network, 1, 2, "cpu")
    images, _ = squares()
    for a, b in zip(ensemble.probabilities(images), restored.probabilities(images), strict=True):
        assert torch.equal(a, b)
    assert restored.best == 1
