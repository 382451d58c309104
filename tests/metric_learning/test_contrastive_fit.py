"""Training of the encoder: it learns, repeats, stops early and records its initial weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alseg_core import seeding
from alseg_core.data.slices import Slices, SliceTable
from alseg_core.errors import AlsegError, ConfigError
from alseg_core.metric_learning.encode import CHUNK, encode, resized
from alseg_core.metric_learning.fit import ContrastiveTraining
from alseg_core.metric_learning.views import TwoViews
from alseg_core.models.resnet import ResNetEncoder
from alseg_core.vocabulary import IntArray

torch.set_num_threads(1)

SMALL: dict[str, Any] = {"image_size": 32, "init": "random"}


MILD = TwoViews(degrees=5, translate=0.05, shear=0, scale=(0.95, 1.05))


def toy(patients: int = 4, depth: int = 6, size: int = 32, channels: int = 1) -> Slices:
    """Each patient has faint stripes of its own, under a strong spot of random place and sign in every slice."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    images = []
    for patient in range(patients):
        stripes = 0.6 * np.sin(2 * np.pi * (2 + patient) * (x if patient % 2 else y))
        for _ in range(depth):
            spot = np.exp(-((x - rng.random()) ** 2 + (y - rng.random()) ** 2) / 0.03) * rng.normal(0, 2)
            images.append([stripes + spot + rng.normal(0, 0.3)] * channels)
    volume, z = np.repeat(np.arange(patients), depth), np.tile(np.arange(depth), patients)
    names = tuple(f"p{i}" for i in range(patients))
    return Slices(SliceTable(names, names, volume, z), np.array(images, dtype=np.float32), np.arange(len(z)))


def separation(h: np.ndarray, patient: np.ndarray) -> float:
    """Mean distance of slices of different patients over that of slices of one patient; 1 = not separated."""
    distance = np.linalg.norm(h[:, None] - h[None], axis=2)
    same = patient[:, None] == patient[None]
    return float(distance[~same].mean() / distance[same & ~np.eye(len(h), dtype=bool)].mean())


def test_it_learns_who_belongs_together() -> None:
    slices = toy()
    training = ContrastiveTraining(**SMALL, epochs=8, lr=5e-4, w_volume=1.0, w_patient=0.0, views=MILD)
    seen: list[float] = []
    fitted = training.fit(slices, np.random.default_rng(0), "cpu", seen.append)
    patient = slices.table.patient
    with seeding.torch_seeded(0):
        untrained = encode(ResNetEncoder(1), slices, 32)
    h = encode(fitted.encoder(), slices, 32)
    assert h.shape == (24, 512) and h.dtype == np.float32
    assert separation(untrained, patient) < 1.3
    assert separation(h, patient) > separation(untrained, patient) + 0.5
    losses = fitted.facts["losses"]
    assert losses[-1] < losses[0] - 0.5 and fitted.facts["best_epoch"] == int(np.argmin(losses)) + 1
    assert seen == pytest.approx([(i + 1) / 8 for i in range(8)])
    assert fitted.facts["init"] == "random" and not fitted.facts["stopped_early"] and fitted.facts["seconds"] > 0


def test_same_seed_same_encoder_whatever_the_global_generator() -> None:
    slices = toy(patients=2, depth=3)
    training = ContrastiveTraining(**SMALL, epochs=2, w_slice=0.1)
    results = []
    for seed, noise in ((5, 1), (5, 2), (6, 1)):
        torch.manual_seed(noise)
        fitted = training.fit(slices, np.random.default_rng(seed))
        results.append((fitted.facts["losses"], encode(fitted.encoder(), slices, 32)))
    assert results[0][0] == results[1][0] and np.array_equal(results[0][1], results[1][1])
    assert not np.allclose(results[0][1], results[2][1])


def test_the_released_losses_train_another_encoder() -> None:
    slices = toy(patients=2, depth=3)
    paper, released = (
        ContrastiveTraining(**SMALL, epochs=1, loss=loss).fit(slices, np.random.default_rng(5)).facts["losses"]
        for loss in ("paper", "as_released")
    )
    assert paper != released


def test_patient_mates_give_trainings_with_other_losses_the_same_batches() -> None:
    """Without learning, the loss of two terms is then the sum of their losses, and not with batches of their own."""
    slices = toy(patients=3, depth=4)

    def first(batches: str, **weights: float) -> float:
        shares = {"w_ntxent": 0.0, "w_patient": 0.0, "w_volume": 0.0, "w_slice": 0.0, **weights}
        settings: dict[str, Any] = {**SMALL, "epochs": 1, "lr": 1e-12, "batches": batches, **shares}
        losses: list[float] = ContrastiveTraining(**settings).fit(slices, np.random.default_rng(2)).facts["losses"]
        return losses[0]

    for batches, equal in (("patient_mates", True), ("by_losses", False)):
        ntxent, volume = first(batches, w_ntxent=1.0), first(batches, w_volume=1.0)
        both = first(batches, w_ntxent=1.0, w_volume=1.0)
        assert (both == pytest.approx(ntxent + volume, abs=2e-3)) == equal


def test_early_stop_fires_and_the_best_epoch_is_kept() -> None:
    slices = toy(patients=2, depth=2)
    seen: list[float] = []
    settings = {**SMALL, "lr": 1e-9}  # next to no learning: the loss goes up and down with the views
    training = ContrastiveTraining(**settings, epochs=50, patience=2, min_delta=100.0)  # no epoch improves by that much
    fitted = training.fit(slices, np.random.default_rng(0), "cpu", seen.append)
    assert fitted.facts["epochs"] == 3 and fitted.facts["stopped_early"]  # the first sets the mark, two do not beat it
    assert seen[-1] == 1.0
    best = fitted.facts["best_epoch"]
    assert best == int(np.argmin(fitted.facts["losses"])) + 1 < 3
    until = ContrastiveTraining(**settings, epochs=best).fit(slices, np.random.default_rng(0))
    for name, value in until.state.items():
        assert torch.equal(value, fitted.state[name]), name


def test_early_stop_on_a_loss_that_stays_where_it_is() -> None:
    """With a tiny learning rate and deterministic views, the loss cannot improve."""
    still = TwoViews(crop_scale=(1, 1), flip=0, degrees=0, translate=0, scale=(1, 1), shear=0, blur_radius=0, erase=0)
    training = ContrastiveTraining(
        **SMALL, epochs=30, patience=3, lr=1e-12, w_volume=0, w_patient=0, views=still, min_delta=0.2
    )
    assert training.fit(toy(patients=2, depth=2), np.random.default_rng(0)).facts["epochs"] == 4


def test_single_slices_and_three_channels() -> None:
    slices = toy(patients=1, depth=1, channels=3)
    fitted = ContrastiveTraining(**SMALL, epochs=1, w_slice=0.2).fit(slices, np.random.default_rng(0))
    assert fitted.state["conv1.weight"].shape == (64, 3, 7, 7)
    assert np.isfinite(encode(fitted.encoder(), slices, 32)).all()


def test_encode_does_not_depend_on_the_chunks() -> None:
    slices = toy(patients=3, depth=3)
    encoder = ResNetEncoder(1)
    np.testing.assert_allclose(encode(encoder, slices, 48, batch=2), encode(encoder, slices, 48), atol=1e-5)


def test_encode_is_the_encoder_in_evaluation_mode_and_leaves_it_alone() -> None:
    slices, encoder = toy(patients=2, depth=3), ResNetEncoder(1)
    encoder(torch.from_numpy(slices.images()))  # batch norms that are not at their start
    encoder.eval()
    with torch.no_grad():
        truth = encoder(torch.from_numpy(slices.images())).numpy()
    encoder.train()
    np.testing.assert_allclose(encode(encoder, slices, 32), truth, rtol=1e-4, atol=1e-4)
    assert encoder.training and isinstance(encoder.bn1, torch.nn.BatchNorm2d)


class Watched(Slices):
    """Records how many slices are requested at a time."""

    def images(self, positions: IntArray | None = None) -> NDArray[np.float32]:
        asked.append(len(self) if positions is None else len(positions))
        return super().images(positions)


asked: list[int] = []


def test_the_device_holds_a_chunk_of_the_pool_at_a_time() -> None:
    slices = toy(patients=9, depth=5)
    watched = Watched(slices.table, slices.base, slices.rows)
    asked.clear()
    shares: list[float] = []
    encode(ResNetEncoder(1), watched, 32, progress=shares.append)
    resized(watched, 16, "cpu")
    assert max(asked) == CHUNK < 45 and sum(asked) == 90
    assert shares == pytest.approx([8 / 45, 16 / 45, 24 / 45, 32 / 45, 40 / 45, 1.0])


def test_resize_keeps_the_order_of_positions_and_the_picture() -> None:
    slices = toy(patients=40, depth=2, size=16)
    shuffled = Slices(slices.table, slices.base, slices.rows[::-1].copy())
    assert np.array_equal(resized(shuffled, 16, "cpu").numpy(), slices.base[::-1])
    constant = Slices(slices.table, np.ones_like(slices.base) * 3, slices.rows)
    torch.testing.assert_close(resized(constant, 40, "cpu"), torch.full((80, 1, 40, 40), 3.0))
    half = resized(slices, 8, "cpu")
    assert half.shape == (80, 1, 8, 8) and abs(float(half.mean()) - slices.base.mean()) < 0.05


def test_weights_that_cannot_be_had(tmp_path: Path) -> None:
    slices, absent = toy(patients=2, depth=2), str(tmp_path / "absent.pth")
    with pytest.raises(ConfigError, match=r"absent\.pth"):
        ContrastiveTraining(image_size=32, init=absent).fit(slices, np.random.default_rng(0))
    training = ContrastiveTraining(image_size=32, init=absent, if_missing="random", epochs=1)
    facts = training.fit(slices, np.random.default_rng(0)).facts
    assert facts["init"].startswith("random (file absent.pth not usable: ")


def test_starts_from_the_given_weights(tmp_path: Path) -> None:
    start = ResNetEncoder(1)
    torch.save(start.state_dict(), tmp_path / "start.pth")
    training = ContrastiveTraining(image_size=32, init=str(tmp_path / "start.pth"), epochs=1, lr=1e-9)
    fitted = training.fit(toy(patients=2, depth=2), np.random.default_rng(0))
    assert fitted.facts["init"] == "file (start.pth)"
    torch.testing.assert_close(fitted.state["layer4.1.conv2.weight"], start.layer4[1].conv2.weight.data)


def test_a_diverging_training_says_so() -> None:
    slices = toy(patients=2, depth=2)
    broken = Slices(slices.table, np.full_like(slices.base, np.nan), slices.rows)
    with pytest.raises(AlsegError, match="epoch 1"):
        ContrastiveTraining(**SMALL, epochs=2).fit(broken, np.random.default_rng(0))


def test_no_loss_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match="w_ntxent"):
        ContrastiveTraining(w_ntxent=0, w_patient=0, w_volume=0)
