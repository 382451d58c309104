from __future__ import annotations

import torch

from alseg_core import seeding


def test_streams_depend_on_names_alone() -> None:
    first = seeding.stream(0, "strategy", 3).random(4)
    seeding.stream(0, "strategy", 2).random(100)
    assert (seeding.stream(0, "strategy", 3).random(4) == first).all()
    assert (seeding.stream(0, "strategy", 4).random(4) != first).all()
    assert (seeding.stream(1, "strategy", 3).random(4) != first).all()


def test_names_are_not_run_together() -> None:
    assert seeding.derive(0, "a", "b") != seeding.derive(0, "ab")
    assert seeding.derive(1, 2) != seeding.derive(12)


def test_torch_global_state_is_put_back() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeding.torch_seeded(1):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with seeding.torch_seeded(1):
        assert torch.equal(torch.rand(3), inside)
