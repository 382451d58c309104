"""Trainings that are kept: one trains, the others find."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import torch

from alseg_core.models import NETWORKS
from alseg_core.store import Store
from alseg_core.training.member import Member, shared_state

NETWORK = NETWORKS.build({"name": "unet", "widths": [4, 8], "dropouts": [0, 0]})


def member(seed: int) -> Member:
    torch.manual_seed(seed)
    return Member(NETWORK.build(1, 2).eval(), 0.1 + seed / 7, 11)


def test_a_kept_member_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    trained = member(3)
    state, found = shared_state(Store(tmp_path), {"a": 1}, lambda: trained)
    again, found_again = shared_state(Store(tmp_path), {"a": 1}, lambda: pytest.fail("trained twice"))
    assert (found, found_again) == (False, True)
    for kept in (state, again):
        restored = Member.restore(kept, NETWORK, 1, 2, "cpu")
        assert (restored.validation_dice, restored.iterations) == (trained.validation_dice, 11)
        assert not restored.network.training
        for name, value in trained.network.state_dict().items():
            assert torch.equal(restored.network.state_dict()[name], value), name
    other, found = shared_state(Store(tmp_path), {"a": 2}, lambda: member(4))
    assert not found and other["validation_dice"] != state["validation_dice"]


def test_one_of_several_at_once_trains(tmp_path: Path) -> None:
    trained: list[int] = []

    def train() -> Member:
        trained.append(1)
        time.sleep(0.3)
        return member(0)

    found: list[bool] = []
    threads = [
        threading.Thread(target=lambda: found.append(shared_state(Store(tmp_path), {"a": 1}, train)[1]))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(trained) == 1 and sorted(found) == [False, True, True]


def test_a_training_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> Member:
        raise RuntimeError("cut off")

    with pytest.raises(RuntimeError, match="cut off"):
        shared_state(Store(tmp_path), {"a": 1}, fail)
    assert shared_state(Store(tmp_path), {"a": 1}, lambda: member(0))[1] is False
