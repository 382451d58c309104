from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from alseg_core.metrics.uncertainty import (
    MEASURES,
    bald,
    entropy,
    least_confidence,
    margin,
    mean_prediction,
    predictive_entropy,
    variance_ratio,
)


def pixel(*p: float) -> Tensor:
    return torch.tensor(p).reshape(1, len(p), 1, 1)


def test_entropy_against_a_loop_with_zeros() -> None:
    p = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.2, 0.3, 0.5]]).reshape(3, 3, 1, 1)
    expected = [math.log(2), 0.0, -sum(v * math.log(v) for v in (0.2, 0.3, 0.5))]
    assert entropy(p).flatten().tolist() == pytest.approx(expected)


def test_bald_is_zero_when_members_agree_and_maximal_when_they_are_sure_of_different_classes() -> None:
    sure, unsure = pixel(1.0, 0.0), pixel(0.5, 0.5)
    for members, expected in (([unsure, unsure], 0.0), ([sure, sure.flip(1)], math.log(2)), ([sure], 0.0)):
        assert bald(iter(members))[0].item() == pytest.approx(expected)


def test_bald_is_never_negative() -> None:
    p = torch.rand(4, 5, 16, 16, generator=torch.Generator().manual_seed(0)).softmax(1)
    assert bald([p, p, p])[0].min() >= 0


def test_measures_by_hand() -> None:
    members = [pixel(0.6, 0.3, 0.1), pixel(0.2, 0.7, 0.1), pixel(0.5, 0.1, 0.4), pixel(0.1, 0.1, 0.8)]
    mean = [0.35, 0.3, 0.35]
    assert mean_prediction(members).flatten().tolist() == pytest.approx(mean)
    assert predictive_entropy(members)[0].item() == pytest.approx(-sum(p * math.log(p) for p in mean))
    assert least_confidence(members)[0].item() == pytest.approx(0.65)
    assert margin(members)[0].item() == pytest.approx(1.0)
    assert margin(members[:1])[0].item() == pytest.approx(1 - 0.3)
    # votes: 0, 1, 0, 2
    assert variance_ratio(members)[0].item() == pytest.approx(1 - 2 / 4)
    assert variance_ratio(members[:1])[0].item() == 0
    assert variance_ratio([members[0]] * 4 + [members[1]])[0].item() == pytest.approx(0.2)


@pytest.mark.parametrize("name", MEASURES)
def test_one_pass_over_members_that_are_left_as_they_were(name: str) -> None:
    torch.manual_seed(0)
    members = [torch.rand(2, 3, 4, 5).softmax(1) for _ in range(3)]
    members[0][0, :, 0, 0] = torch.tensor([1.0, 0.0, 0.0])
    kept = [p.clone() for p in members]
    alive = 0

    def stream() -> Iterator[Tensor]:
        nonlocal alive
        for p in members:
            alive += 1
            yield p

    scores, mean = MEASURES[name](stream())  # type: ignore[index]
    assert alive == 3
    assert all(torch.equal(p, q) for p, q in zip(members, kept, strict=True))
    assert scores.shape == (2, 4, 5) and torch.isfinite(scores).all() and (scores >= 0).all()
    torch.testing.assert_close(mean, torch.stack(members).mean(0))
    with pytest.raises(ValueError, match="no members"):
        MEASURES[name](iter([]))  # type: ignore[index]


def test_against_the_stack_of_all_members() -> None:
    torch.manual_seed(1)
    members = torch.rand(5, 2, 4, 6, 6).mul(3).softmax(2)
    mean = members.mean(0)
    spread = -(members * members.log()).sum(2).mean(0)
    votes = torch.stack([(members.argmax(2) == c).sum(0) for c in range(4)]).amax(0)
    ordered = mean.sort(dim=1, descending=True).values
    expected = {
        "entropy": -(mean * mean.log()).sum(1),
        "least_confidence": 1 - mean.max(1).values,
        "margin": 1 - ordered[:, 0] + ordered[:, 1],
        "variance_ratio": 1 - votes / 5,
        "bald": -(mean * mean.log()).sum(1) - spread,
    }
    assert set(expected) == set(MEASURES)
    for name, measure in MEASURES.items():
        torch.testing.assert_close(measure(iter(members))[0], expected[name], atol=1e-6, rtol=1e-5)
