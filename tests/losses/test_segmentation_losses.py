from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from alseg_core.losses import LOSSES
from alseg_core.losses.cross_entropy import partial_cross_entropy
from alseg_core.losses.dice import SMOOTH, dice_loss
from alseg_core.vocabulary import IGNORE

DRAW = HALF = torch.tensor(0.5)


def case(marked: float = 0.3, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, classes, 5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, classes, (2, 5, 6), generator=generator)
    labels[torch.rand(2, 5, 6, generator=generator) > marked] = IGNORE
    return logits, labels


def slow_ce(logits: torch.Tensor, labels: torch.Tensor) -> float:
    terms = []
    for b, y, x in np.ndindex(*labels.shape):
        if labels[b, y, x] != IGNORE:
            row = logits[b, :, y, x].tolist()
            terms.append(math.log(sum(math.exp(v) for v in row)) - row[int(labels[b, y, x])])
    return sum(terms) / len(terms)


def slow_dice(p: torch.Tensor, labels: torch.Tensor) -> float:
    scores = []
    for c in range(p.shape[1]):
        overlap = predicted = true = 0.0
        for b, y, x in np.ndindex(*labels.shape):
            if labels[b, y, x] == IGNORE:
                continue
            t, v = float(labels[b, y, x] == c), float(p[b, c, y, x])
            overlap, predicted, true = overlap + v * t, predicted + v * v, true + t
        scores.append((2 * overlap + SMOOTH) / (predicted + true + SMOOTH))
    return 1 - sum(scores) / len(scores)


def test_partial_cross_entropy_against_a_loop() -> None:
    logits, labels = case()
    assert partial_cross_entropy(logits, labels).item() == pytest.approx(slow_ce(logits, labels))


def test_nothing_marked_is_zero_with_zero_gradient() -> None:
    logits, labels = case(marked=0)
    logits.requires_grad_()
    loss = partial_cross_entropy(logits, labels)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None and logits.grad.abs().max() == 0


@pytest.mark.parametrize("marked", [0.3, 1.0])
def test_dice_against_a_loop(marked: float) -> None:
    logits, labels = case(marked)
    p = logits.softmax(1)
    assert dice_loss(p, labels).item() == pytest.approx(slow_dice(p, labels))


def test_dice_of_a_perfect_prediction_is_zero() -> None:
    _, labels = case(marked=1.0)
    perfect = torch.nn.functional.one_hot(labels, 4).movedim(-1, 1).double()
    assert dice_loss(perfect, labels).item() == pytest.approx(0, abs=1e-6)


def test_ce_dice_is_the_mean_of_both() -> None:
    logits, labels = case(marked=1.0)
    loss = LOSSES.build("ce_dice")((logits,), labels, DRAW, HALF)
    assert loss.item() == pytest.approx(0.5 * (slow_ce(logits, labels) + slow_dice(logits.softmax(1), labels)))


def test_dmpls_against_its_formula() -> None:
    main, labels = case()
    aux = torch.randn(main.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    beta = 0.37
    mixed = beta * main.softmax(1) + (1 - beta) * aux.softmax(1)
    pseudo = torch.empty(labels.shape, dtype=torch.long)
    for b, y, x in np.ndindex(*labels.shape):
        pseudo[b, y, x] = mixed[b, :, y, x].tolist().index(max(mixed[b, :, y, x].tolist()))
    expected = 0.5 * (slow_ce(main, labels) + slow_ce(aux, labels)) + 0.5 * 0.5 * (
        slow_dice(main.softmax(1), pseudo) + slow_dice(aux.softmax(1), pseudo)
    )
    loss = LOSSES.build("dmpls")((main, aux), labels, torch.tensor(beta), HALF)
    assert loss.item() == pytest.approx(expected)


def test_dmpls_mixes_by_the_draw() -> None:
    main, labels = case()
    loss = LOSSES.build("dmpls")
    values = {loss((main, -main), labels, torch.tensor(draw), HALF).item() for draw in (0.1, 0.9)}
    assert len(values) == 2


def test_the_pseudo_label_of_dmpls_grows_in_over_its_ramp() -> None:
    main, labels = case()
    without, full = (LOSSES.build({"name": "dmpls", "weight": weight}) for weight in (0.0, 0.5))
    ramped = LOSSES.build({"name": "dmpls", "ramp": 0.8})
    low, high = (loss((main, -main), labels, DRAW, HALF).item() for loss in (without, full))
    for done in (0.0, 0.2, 0.6, 0.8, 0.99):
        share = math.exp(-5 * (1 - min(done / 0.8, 1)) ** 2)
        value = ramped((main, -main), labels, DRAW, torch.tensor(done)).item()
        assert value == pytest.approx(low + share * (high - low), rel=1e-6)


def test_balance_weighs_a_pixel_by_a_power_of_the_count_of_its_class() -> None:
    logits, labels = case()
    labels[labels == 2] = IGNORE  # a class without a mark
    labels[labels == 3] = 0
    per_class = {c: slow_ce(logits, torch.where(labels == c, labels, IGNORE)) for c in (0, 1)}
    counts = {c: int((labels == c).sum()) for c in (0, 1)}
    assert counts[0] > counts[1] > 0
    for balance in (0.5, 1.0):
        weights = {c: counts[c] ** (1 - balance) for c in (0, 1)}
        expected = sum(weights[c] * per_class[c] for c in (0, 1)) / sum(weights.values())
        assert partial_cross_entropy(logits, labels, balance).item() == pytest.approx(expected)
        loss = LOSSES.build({"name": "dmpls", "weight": 0.0, "balance": balance})
        assert loss((logits, logits), labels, DRAW, HALF).item() == pytest.approx(expected)
    assert partial_cross_entropy(logits, torch.full_like(labels, IGNORE), 0.5).item() == 0


def test_weights_of_cross_entropy_and_dice() -> None:
    logits, labels = case()
    ce, dice = slow_ce(logits, labels), slow_dice(logits.softmax(1), labels)
    assert LOSSES.build("ce_dice")((logits,), labels, DRAW, HALF).item() == pytest.approx((ce + dice) / 2)
    weighted = LOSSES.build({"name": "ce_dice", "w_ce": 2.0, "w_dice": 0.25})
    assert weighted((logits,), labels, DRAW, HALF).item() == pytest.approx(2 * ce + dice / 4)


@pytest.mark.parametrize(
    ("fade", "done", "left"), [(0.0, 0.9, 1.0), (1.0, 0.0, 1.0), (1.0, 0.25, 0.75), (0.5, 0.25, 0.5), (0.5, 0.8, 0.0)]
)
def test_balance_of_masks_fades_over_a_share_of_the_training(fade: float, done: float, left: float) -> None:
    logits, labels = case()
    counts = {c: int((labels == c).sum()) for c in range(logits.shape[1])}
    per_class = {c: slow_ce(logits, torch.where(labels == c, labels, IGNORE)) for c in counts if counts[c]}
    weights = {c: counts[c] ** (1 - 0.8 * left) for c in per_class}
    expected = sum(weights[c] * per_class[c] for c in per_class) / sum(weights.values())
    loss = LOSSES.build({"name": "ce_dice", "w_ce": 1.0, "w_dice": 0.0, "balance": 0.8, "fade": fade})
    assert loss((logits,), labels, DRAW, torch.tensor(done)).item() == pytest.approx(expected)


def test_slices_without_labels_change_nothing() -> None:
    logits, labels = case()
    labels[1] = IGNORE
    logits.requires_grad_()
    loss = LOSSES.build("ce_dice")((logits,), labels, DRAW, HALF)
    alone = LOSSES.build("ce_dice")((logits[:1],), labels[:1], DRAW, HALF)
    assert loss.item() == pytest.approx(alone.item())
    loss.backward()
    assert logits.grad is not None and logits.grad[1].abs().max() == 0 < logits.grad[0].abs().max()
