from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from alseg_core.errors import AlsegError, ConfigError
from alseg_core.losses import LOSSES
from alseg_core.models import SegmentationModule
from alseg_core.registry import construct, describe
from alseg_core.training import NetworkTrainer
from alseg_core.training.batches import TrainingSet
from alseg_core.training.inference import Ensemble, predict_labels
from alseg_core.training.member import Member
from alseg_core.training.network_trainer import halved
from alseg_core.training.schedule import poly
from alseg_core.vocabulary import IGNORE
from tests.conftest import network_of

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


def toy() -> TrainingSet:
    images, labels = squares()
    return TrainingSet.of(images.numpy(), labels.numpy(), np.zeros(8, np.int64), np.arange(8), "cpu")


def train(seed: int = 0, **fields: Any) -> tuple[Member, list[float], list[int]]:
    images, labels = squares()
    scores: list[float] = []

    def validate(network: SegmentationModule) -> float:
        assert not network.training
        scores.append(float((predict_labels(network, images) == labels.numpy()).mean()))
        return scores[-1]

    steps: list[int] = []
    trainer = construct(NetworkTrainer, {**FIELDS, **fields}, "train")
    fitted = trainer.fit(toy(), 2, trainer.iterations(8, 1.0), 0, validate, np.random.default_rng(seed), steps.append)
    return fitted, scores, steps


def test_learns_validates_on_time_and_keeps_the_best() -> None:
    member, scores, steps = train()
    assert steps == list(range(1, 61))
    assert len(scores) == 3  # after 25, 50 and at the end
    assert member.validation_dice == max(scores) > 0.9
    images, labels = squares()
    assert (predict_labels(member.network, images) == labels.numpy()).mean() == pytest.approx(max(scores))


def test_without_validation_the_last_weights_are_kept() -> None:
    trainer = construct(NetworkTrainer, {**FIELDS, "validate_every": 60}, "train")
    last, _, _ = train(validate_every=60)  # validated once, at the end
    member = trainer.fit(toy(), 2, 60, 0, None, np.random.default_rng(0), lambda step: None)
    assert member.validation_dice is None and not network_of(member).training
    ours, theirs = network_of(member).state_dict(), network_of(last).state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert Ensemble([member, member], "cpu").best == 0 and Ensemble([last, member], "cpu").best == 0


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
    trainer = construct(NetworkTrainer, {**FIELDS, "iterations_full": 60000}, "train")
    assert [trainer.iterations(14, share) for share in (0.01, 0.05, 0.29, 1.0)] == [600, 3000, 17400, 60000]
    assert trainer.iterations(1, 1e-6) == 1
    least = construct(NetworkTrainer, {**FIELDS, "iterations_full": 60000, "iterations_least": 900}, "train")
    assert [least.iterations(14, share) for share in (0.01, 0.02)] == [900, 1200]


def test_epochs_count_the_labelled_slices_alone() -> None:
    trainer = construct(NetworkTrainer, {**FIELDS, "epochs": 50, "batch": 8}, "train")
    assert [trainer.iterations(n, share) for n, share in ((14, 0.01), (14, 0.7), (16, 0.011), (1, 0.1))] == [
        100,
        100,
        100,
        50,
    ]
    with pytest.raises(ConfigError, match="epochs counts slices"):
        construct(NetworkTrainer, {**FIELDS, "network": "unet3d", "epochs": 50}, "train")


def parameters(**fields: Any) -> torch.Tensor:
    """All parameters after one step at a constant rate without momentum and decay."""
    plain = {"iterations_full": 1, "power": 0, "momentum": 0, "weight_decay": 0}
    return torch.cat([p.detach().flatten() for p in network_of(train(**{**plain, **fields})[0]).parameters()])


def test_gradient_is_clipped_to_its_norm() -> None:
    start = parameters(lr=1e-12)
    free, clipped = parameters(lr=1.0) - start, parameters(lr=1.0, clip_norm=0.05) - start
    assert free.norm() > 0.06
    assert clipped.norm().item() == pytest.approx(0.05, rel=1e-2)
    assert torch.nn.functional.cosine_similarity(free, clipped, dim=0) > 0.999
    assert torch.allclose(parameters(lr=1.0, clip_norm=1e6) - start, free)


def test_adam_steps_by_its_rate() -> None:
    moved = (parameters(lr=1e-3, optimiser="adam") - parameters(lr=1e-12)).abs()
    assert moved.max().item() == pytest.approx(1e-3, rel=1e-2)
    assert moved.median().item() == pytest.approx(1e-3, rel=1e-1)
    member, scores, _ = train(optimiser="adam", lr=3e-3, power=0, clip_norm=1.0)
    assert member.validation_dice == max(scores) > 0.9


def moves(**fields: Any) -> list[float]:
    """How far the weights move in each of three steps."""
    trainer = construct(
        NetworkTrainer, {**FIELDS, "validate_every": 1, "momentum": 0, "weight_decay": 0, **fields}, "train"
    )
    seen: list[torch.Tensor] = []

    def validate(network: SegmentationModule) -> float:
        seen.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
        return 0.0

    trainer.fit(toy(), 2, 3, 0, validate, np.random.default_rng(0), lambda step: None)
    return [float((after - before).norm()) for before, after in itertools.pairwise(seen)]


def test_rate_follows_the_schedule() -> None:
    """With a rate that falls at once the later steps hardly move; at power 0 they do."""
    constant, falling = (moves(lr=0.1, power=power) for power in (0, 60))
    assert max(falling) < 1e-6 < 0.01 < min(constant)


@pytest.mark.parametrize(
    "network",
    [
        {"name": "unet3d", "widths": [4, 8, 8], "window": 4},
        {"name": "dynunet", "width": 4, "cap": 8, "window": 4, "spacing_mm": [4, 1, 1], "shape": [6, 16, 16]},
    ],
)
def test_volumetric_training_learns_from_partly_labelled_volumes(network: dict[str, Any]) -> None:
    """Every slice of a cylinder; half of the slices carry no label."""
    rng = np.random.default_rng(0)
    _, square = squares(1)
    masks = torch.cat([torch.roll(square, move, (1, 2)).expand(6, -1, -1) for move in [(0, 0), (3, -2), (-2, 4)]])
    images = masks.unsqueeze(1).float() + torch.from_numpy(rng.normal(0, 0.2, (18, 1, 16, 16)).astype(np.float32))
    labels = masks.clone()
    labels[1::2] = IGNORE
    order = rng.permutation(18)
    volume, z = np.repeat(np.arange(3), 6)[order], np.tile(np.arange(6), 3)[order]
    data = TrainingSet.of(images[order].numpy(), labels[order].numpy(), volume, z, "cpu")
    fields = {**FIELDS, "network": network, "batch": 2, "lr": 0.03}
    trainer = construct(NetworkTrainer, fields, "train")

    def validate(network: SegmentationModule) -> float:
        return float((predict_labels(network, images, [6, 6, 6]) == masks.numpy()).mean())

    member = trainer.fit(data, 2, 60, 0, validate, np.random.default_rng(0), lambda step: None)
    assert member.validation_dice > 0.95 > (masks == 0).float().mean()


class Depth(SegmentationModule):
    """Volumetric: every pixel of a volume of d slices is of class d."""

    window = 3

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(images), 9, *images.shape[2:])
        logits[:, len(images)] = 1
        return logits


def test_volumetric_networks_predict_one_volume_at_a_time() -> None:
    images = torch.rand(12, 1, 2, 2)
    assert predict_labels(Depth(), images, [5, 1, 6])[:, 0, 0].tolist() == [5] * 5 + [1] + [6] * 6
    assert predict_labels(Depth(), images[:4])[:, 0, 0].tolist() == [4] * 4


def test_poly_schedule() -> None:
    assert poly(0, 100, 0.9) == 1
    assert poly(50, 100, 0.9) == pytest.approx(0.5**0.9)


def test_a_loss_that_is_no_number_is_an_error() -> None:
    with pytest.raises(AlsegError, match="loss nan at step .* Try a lower lr"):
        train(lr=1e9)


def test_dmpls_needs_two_heads() -> None:
    with pytest.raises(ConfigError, match="use network unet_dual"):
        construct(NetworkTrainer, {**FIELDS, "loss": "dmpls"}, "train")


@pytest.mark.parametrize(
    ("name", "dual"), [("unet3d", "unet3d_dual"), ("dynunet", "dynunet_dual"), ("unet", "unet_dual")]
)
def test_a_network_with_enough_heads_is_named(name: str, dual: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} has 1; use network {dual}"):
        construct(NetworkTrainer, {"network": name, "loss": "dmpls"}, "train")
    construct(NetworkTrainer, {"network": dual, "loss": "dmpls"}, "train")


def test_a_step_is_6_slices_or_2_volumes_unless_it_is_set() -> None:
    def of(network: str, **fields: Any) -> NetworkTrainer:
        trainer: NetworkTrainer = construct(NetworkTrainer, {"network": network, "loss": "ce_dice", **fields}, "train")
        return trainer

    assert (of("unet").batch, of("dynunet").batch, of("unet3d", batch=1).batch) == (6, 2, 1)
    assert describe(of("unet"))["batch"] == 6  # as before batch could be null
    assert of("dynunet").step_shape(depth=300) == (2, 32) and of("dynunet").step_shape(depth=9) == (2, 9)


def test_resolutions_count_half_as_much_each() -> None:
    assert halved([torch.tensor(3.0)]) == 3
    assert halved([torch.tensor(7.0), torch.tensor(14.0), torch.tensor(28.0)]).item() == pytest.approx(21 / 1.75)


PLANNED = {"width": 4, "cap": 8, "window": 4, "spacing_mm": [4, 1, 1], "shape": [4, 16, 16]}
KINDS: list[tuple[dict[str, Any], str]] = [
    ({"name": "dynunet", **PLANNED}, "ce_dice"),
    ({"name": "dynunet", **PLANNED}, "partial_ce"),
    ({"name": "dynunet_dual", **PLANNED}, "dmpls"),
    ({"name": "unet3d_dual", "widths": [4, 8, 8], "window": 4}, "dmpls"),
]


@pytest.mark.parametrize(("network", "loss"), KINDS)
def test_3d_training_goes_on_where_nothing_is_marked(network: dict[str, Any], loss: str) -> None:
    """Volumes of 1 to 9 slices, labels of all kinds, among them slices that an annotator left unmarked."""
    rng = np.random.default_rng(0)
    depths = [1, 4, 9]
    volume, z = np.repeat(np.arange(3), depths), np.concatenate([np.arange(depth) for depth in depths])
    images = rng.random((14, 1, 16, 16), dtype=np.float32)
    nothing = np.full((14, 16, 16), IGNORE, np.uint8)
    some = nothing.copy()
    some[-1, 3:9, 3:9], some[-1, 10:, 10:] = 1, 0
    trainer = construct(NetworkTrainer, {"network": network, "loss": loss, "batch": 3, "weight_decay": 0}, "train")
    for labels in (nothing, some):
        data = TrainingSet.of(images, labels, volume, z, "cpu")
        member = trainer.fit(data, 2, 4, IGNORE, None, np.random.default_rng(0), lambda step: None)
        assert all(value.isfinite().all() for value in member.network.state_dict().values())


@pytest.mark.parametrize("loss", ["ce_dice", "partial_ce"])
def test_3d_losses_count_marked_voxels_alone(loss: str) -> None:
    """Whatever is predicted in unlabelled slices: neither the loss nor its gradient there depends on it."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 3, 8, 8, generator=rng).requires_grad_()
    labels = torch.full((5, 8, 8), IGNORE, dtype=torch.long)
    labels[2] = torch.randint(3, (8, 8), generator=rng)
    zero = torch.tensor(0.0)
    count = LOSSES.build(loss)
    value = count((logits,), labels, zero, zero)
    value.backward()
    assert logits.grad is not None and logits.grad[2].any() and not logits.grad[[0, 1, 3, 4]].any()
    alone = count((logits.detach()[2:3],), labels[2:3], zero, zero)
    assert value.item() == pytest.approx(alone.item(), rel=1e-6)
    nothing = count((logits.detach(),), torch.full_like(labels, IGNORE), zero, zero)
    assert nothing.item() == pytest.approx(0, abs=1e-6)


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
    assert not any(m.training for m in network_of(member).modules())


def test_best_member_and_restoring() -> None:
    members = [Member(train(seed)[0].network, dice, 60) for seed, dice in ((0, 0.2), (1, 0.7), (2, 0.7))]
    ensemble = Ensemble(members, "cpu")
    assert ensemble.best == 1
    trainer = construct(NetworkTrainer, FIELDS, "train")
    restored = Ensemble.restore(ensemble.state(), trainer, 1, 2, "cpu")
    images, _ = squares()
    for a, b in zip(ensemble.probabilities(images), restored.probabilities(images), strict=True):
        assert torch.equal(a, b)
    assert restored.best == 1
