from __future__ import annotations

import math

import pytest
import torch

from alseg_core.metrics.uncertainty import entropy, mean_entropies


def test_entropy_against_a_loop_with_zeros() -> None:
    p = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.2, 0.3, 0.5]]).reshape(3, 3, 1, 1)
    expected = [math.log(2), 0.0, -sum(v * math.log(v) for v in (0.2, 0.3, 0.5))]
    assert entropy(p).flatten().tolist() == pytest.approx(expected)


def test_bald_is_zero_when_members_agree_and_maximal_when_they_are_sure_of_different_classes() -> None:
    sure = torch.tensor([[1.0, 0.0]]).reshape(1, 2, 1, 1)
    other = sure.flip(1)
    unsure = torch.full((1, 2, 1, 1), 0.5)
    for members, bald in (([unsure, unsure], 0.0), ([sure, other], math.log(2))):
        total, expected, _ = mean_entropies(iter(members))
        assert (total - expected).item() == pytest.approx(bald)


def test_members_are_left_as_they_were() -> None:
    first, second = (torch.rand(2, 3, 4, 4).softmax(1) for _ in range(2))
    kept = first.clone()
    total, expected, foreground = mean_entropies([first, second])
    assert torch.equal(first, kept)
    torch.testing.assert_close(total, entropy((first + second) / 2))
    torch.testing.assert_close(expected, (entropy(first) + entropy(second)) / 2)
    assert torch.equal(foreground, ((first + second).argmax(1) > 0))
