from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import pytest
import torch
from torch import Tensor

from alseg_core.metrics.uncertainty import MEASURES, Measure, entropy, mean_prediction, measures

NAMES: list[Measure] = list(MEASURES)


def pixel(*p: float) -> Tensor:
    return torch.tensor(p).reshape(1, len(p), 1, 1)


def score(name: Measure, members: Iterable[Tensor]) -> Tensor:
    return measures(members, [name])[0][name]


def test_entropy_against_a_loop_with_zeros() -> None:
    p = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.2, 0.3, 0.5]]).reshape(3, 3, 1, 1)
    expected = [math.log(2), 0.0, -sum(v * math.log(v) for v in (0.2, 0.3, 0.5))]
    assert entropy(p).flatten().tolist() == pytest.approx(expected)


def test_bald_is_zero_when_members_agree_and_maximal_when_they_are_sure_of_different_classes() -> None:
    sure, unsure = pixel(1.0, 0.0), pixel(0.5, 0.5)
    for members, expected in (([unsure, unsure], 0.0), ([sure, sure.flip(1)], math.log(2)), ([sure], 0.0)):
        assert score("bald", iter(members)).item() == pytest.approx(expected)


def test_bald_is_never_negative() -> None:
    p = torch.rand(4, 5, 16, 16, generator=torch.Generator().manual_seed(0)).softmax(1)
    assert score("bald", [p, p, p]).min() >= 0


def test_measures_by_hand() -> None:
    members = [pixel(0.6, 0.3, 0.1), pixel(0.2, 0.7, 0.1), pixel(0.5, 0.1, 0.4), pixel(0.1, 0.1, 0.8)]
    mean = [0.35, 0.3, 0.35]
    assert mean_prediction(members).flatten().tolist() == pytest.approx(mean)
    assert score("entropy", members).item() == pytest.approx(-sum(p * math.log(p) for p in mean))
    assert score("least_confidence", members).item() == pytest.approx(0.65)
    assert score("margin", members).item() == pytest.approx(1.0)
    assert score("margin", members[:1]).item() == pytest.approx(1 - 0.3)
    # votes: 0, 1, 0, 2
    assert score("variance_ratio", members).item() == pytest.approx(1 - 2 / 4)
    assert score("variance_ratio", members[:1]).item() == 0
    assert score("variance_ratio", [members[0]] * 4 + [members[1]]).item() == pytest.approx(0.2)


@pytest.mark.parametrize("names", [*([name] for name in NAMES), NAMES, []])
def test_one_pass_over_members_that_are_left_as_they_were(names: list[Measure]) -> None:
    torch.manual_seed(0)
    members = [torch.rand(2, 3, 4, 5).softmax(1) for _ in range(3)]
    members[0][0, :, 0, 0] = torch.tensor([1.0, 0.0, 0.0])
    kept = [p.clone() for p in members]
    asked = 0

    def stream() -> Iterator[Tensor]:
        nonlocal asked
        for p in members:
            asked += 1
            yield p

    scores, mean = measures(stream(), names)
    assert asked == 3 and list(scores) == names
    assert all(torch.equal(p, q) for p, q in zip(members, kept, strict=True))
    for pixels in scores.values():
        assert pixels.shape == (2, 4, 5) and torch.isfinite(pixels).all() and (pixels >= 0).all()
    torch.testing.assert_close(mean, torch.stack(members).mean(0))
    with pytest.raises(ValueError, match="no members"):
        measures(iter([]), names)


def test_the_only_member_is_left_as_it_was() -> None:
    p = torch.rand(2, 3, 4, 5).softmax(1)
    kept = p.clone()
    mean = measures([p], NAMES)[1]
    mean.zero_()
    assert torch.equal(p, kept)


def test_members_in_the_order_of_the_channels_score_the_same() -> None:
    torch.manual_seed(0)
    members = [torch.rand(2, 4, 6, 5).softmax(1) for _ in range(3)]
    other = [p.contiguous(memory_format=torch.channels_last) for p in members]
    for a, b in zip(measures(members, NAMES)[0].values(), measures(other, NAMES)[0].values(), strict=True):
        torch.testing.assert_close(a, b)


def test_more_votes_than_a_byte_holds() -> None:
    members = [pixel(0.9, 0.1)] * 300 + [pixel(0.1, 0.9)] * 20
    assert score("variance_ratio", members).item() == pytest.approx(20 / 320)


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
    together, _ = measures(iter(members), NAMES)
    assert set(expected) == set(together)
    for name in NAMES:
        torch.testing.assert_close(together[name], expected[name], atol=1e-6, rtol=1e-5)
        assert torch.equal(score(name, iter(members)), together[name])
