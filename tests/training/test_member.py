"""Trainings that are kept: one trains, the others find."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import torch

from alseg_core.losses import LOSSES
from alseg_core.models import NETWORKS
from alseg_core.models.unet_resnet import UNetResNet50
from alseg_core.store import Store
from alseg_core.training import NetworkTrainer
from alseg_core.training.member import KeptTraining, Member, kept_training
from tests.conftest import network_of

NETWORK = NETWORKS.build({"name": "unet", "widths": [4, 8], "dropouts": [0, 0]})
LOSS = LOSSES.build("ce_dice")
TRAINER = NetworkTrainer(network=NETWORK, loss=LOSS)


def member(seed: int) -> Member:
    torch.manual_seed(seed)
    return Member(NETWORK.build(1, 2).eval(), 0.1 + seed / 7, 11)


def test_a_kept_member_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    trained = member(3)

    def train() -> Member:
        time.sleep(0.2)
        return trained

    first = kept_training(Store(tmp_path), {"a": 1}, {}, "first", train)
    again = kept_training(Store(tmp_path), {"a": 1}, {}, "second", lambda: pytest.fail("trained twice"))
    assert first.maker == again.maker == "first" and 0.2 <= first.seconds == again.seconds < 10
    for kept in (first, again):
        restored = Member.restore(kept.state, TRAINER, 1, 2, "cpu")
        assert (restored.validation_dice, restored.iterations) == (trained.validation_dice, 11)
        assert not network_of(restored).training
        for name, value in trained.network.state_dict().items():
            assert torch.equal(restored.network.state_dict()[name], value), name
    other = kept_training(Store(tmp_path), {"a": 2}, {}, "second", lambda: member(4))
    assert other.maker == "second" and other.state["validation_dice"] != first.state["validation_dice"]


def test_a_member_needs_the_file_that_it_started_from_no_more(tmp_path: Path) -> None:
    file = tmp_path / "resnet50.pth"
    torch.save(UNetResNet50().build(1, 2).encoder.state_dict(), file)
    network = UNetResNet50(weights=str(file))
    trained = Member(network.build(1, 2).eval(), 0.5, 3)
    file.unlink()
    restored = Member.restore(
        trained.state(), NetworkTrainer(network=network, loss=LOSS), 1, 2, "cpu"
    ).network.state_dict()
    assert all(torch.equal(restored[name], value) for name, value in trained.network.state_dict().items())


def test_one_of_several_at_once_trains(tmp_path: Path) -> None:
    trained: list[int] = []

    def train() -> Member:
        trained.append(1)
        time.sleep(0.3)
        return member(0)

    found: dict[str, KeptTraining] = {}

    def ask(maker: str) -> None:
        found[maker] = kept_training(Store(tmp_path), {"a": 1}, {}, maker, train)

    threads = [threading.Thread(target=ask, args=[maker]) for maker in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(trained) == 1 and len(found) == 3
    assert len({(kept.maker, kept.seconds) for kept in found.values()}) == 1


def test_a_training_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> Member:
        raise RuntimeError("cut off")

    with pytest.raises(RuntimeError, match="cut off"):
        kept_training(Store(tmp_path), {"a": 1}, {}, "first", fail)
    assert kept_training(Store(tmp_path), {"a": 1}, {}, "second", lambda: member(0)).maker == "second"
