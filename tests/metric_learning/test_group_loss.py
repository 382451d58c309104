"""Contrastive losses against plain loops written from the formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from alseg_core.metric_learning.groups import Groups
from alseg_core.metric_learning.losses import (
    LossVariant,
    Weights,
    group_loss,
    nt_xent,
    released_group_loss,
    similarities,
    total_loss,
)
from tests.device.emulated import Counted

torch.set_num_threads(1)

# (group id, patient id) of each slice
LAYOUTS = {
    "two equal groups of two patients": ([0, 0, 1, 1], [0, 0, 1, 1]),
    "unequal groups": ([0, 0, 0, 1, 2, 2], [0, 0, 0, 1, 2, 2]),
    "two groups of one patient": ([0, 0, 1, 1, 2, 2], [0, 0, 0, 0, 1, 1]),
    "single-slice groups": ([0, 1, 2, 3], [0, 0, 1, 2]),
    "one patient, one group": ([0, 0, 0], [0, 0, 0]),
    "one patient, several groups": ([0, 0, 1, 2], [5, 5, 5, 5]),
    "one slice": ([0], [0]),
}


def samples(n: int, seed: int = 0) -> Tensor:
    return torch.randn(2 * n, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum() / ((a * a).sum().sqrt() * (b * b).sum().sqrt())


def related(groups: list[int]) -> Tensor:
    return torch.tensor([[a == b for b in groups] for a in groups])


def strangers(patients: list[int]) -> Tensor:
    return ~related(patients)


def loop_loss(z: Tensor, relation: Tensor, patients: list[int], temperature: float) -> Tensor:
    """Eq. 4 with every one of the 2N samples as an anchor; the sample i shows the slice i mod N."""
    n = len(patients)
    anchors = []
    for i in range(2 * n):
        positives, compared = [], []
        for k in range(2 * n):
            if k == i:
                continue
            in_group = bool(relation[i % n, k % n])
            if in_group:
                positives.append(k)
            if in_group or patients[i % n] != patients[k % n]:
                compared.append(k)
        denominator = sum(torch.exp(cosine(z[i], z[k]) / temperature) for k in compared)
        terms = [-torch.log(torch.exp(cosine(z[i], z[j]) / temperature) / denominator) for j in positives]
        anchors.append(torch.stack(terms).mean())
    return torch.stack(anchors).mean()


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("temperature", [0.5, 0.07])
def test_value_and_gradient_equal_the_loop(name: str, temperature: float) -> None:
    groups, patients = LAYOUTS[name]
    fast, slow = (samples(len(groups)).requires_grad_() for _ in range(2))
    loss = group_loss(similarities(fast, temperature), related(groups), strangers(patients))
    truth = loop_loss(slow, related(groups), patients, temperature)
    torch.testing.assert_close(loss, truth)
    loss.backward()
    truth.backward()
    assert torch.isfinite(fast.grad).all()
    torch.testing.assert_close(fast.grad, slow.grad)


def test_neighbour_relation_that_is_not_transitive() -> None:
    relation = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]], dtype=torch.bool)
    patients = [0, 0, 0, 1]
    z = samples(4, seed=3)
    loss = group_loss(similarities(z, 0.5), relation, strangers(patients))
    torch.testing.assert_close(loss, loop_loss(z, relation, patients, 0.5))


def test_equal_groups_give_equation_4_averaged_over_the_views() -> None:
    """-1/(N G) sum over i of the N anchors and j of the group, G positives an anchor; either view as the anchors."""
    groups, patients, t = [0, 0, 1, 1, 2, 2], [0, 0, 0, 0, 1, 1], 0.5
    n, z = len(groups), samples(6, seed=1)
    views = []
    for anchors in (range(n), range(n, 2 * n)):
        total, g = 0.0, 3  # a group of two slices is four samples: three besides the anchor
        for i in anchors:
            others = [k for k in range(2 * n) if k != i]
            allowed = [k for k in others if groups[k % n] == groups[i % n] or patients[k % n] != patients[i % n]]
            below = sum(math.exp(cosine(z[i], z[k]).item() / t) for k in allowed)
            total += sum(
                math.log(math.exp(cosine(z[i], z[j]).item() / t) / below)
                for j in others
                if groups[j % n] == groups[i % n]
            )
        views.append(-total / (n * g))
    loss = group_loss(similarities(z, t), related(groups), strangers(patients))
    assert loss.item() == pytest.approx(sum(views) / 2, abs=1e-10)


def test_own_other_view_is_a_positive_whatever_the_relation_says() -> None:
    nothing, patients = torch.zeros(3, 3, dtype=torch.bool), [0, 0, 1]
    z = samples(3, seed=2)
    truth = loop_loss(z, torch.eye(3, dtype=torch.bool), patients, 0.5)
    torch.testing.assert_close(group_loss(similarities(z, 0.5), nothing, strangers(patients)), truth)


def test_slices_of_one_patient_in_different_groups_do_not_push_each_other() -> None:
    """Neither is in the other's denominator: with one patient and single-slice groups nothing is left to push."""
    alone, apart = (samples(2, seed=4).requires_grad_() for _ in range(2))
    group_loss(similarities(alone, 0.5), torch.eye(2, dtype=torch.bool), strangers([0, 0])).backward()
    torch.testing.assert_close(alone.grad, torch.zeros_like(alone))
    group_loss(similarities(apart, 0.5), torch.eye(2, dtype=torch.bool), strangers([0, 1])).backward()
    assert apart.grad.abs().max() > 0.01


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("temperature", [0.5, 0.1])
def test_nt_xent_equals_the_loop(n: int, temperature: float) -> None:
    fast, slow = (samples(n).requires_grad_() for _ in range(2))
    terms = []
    for i in range(2 * n):
        other = (i + n) % (2 * n)
        below = sum(torch.exp(cosine(slow[i], slow[k]) / temperature) for k in range(2 * n) if k != i)
        terms.append(-torch.log(torch.exp(cosine(slow[i], slow[other]) / temperature) / below))
    truth = torch.stack(terms).mean()
    loss = nt_xent(similarities(fast, temperature))
    torch.testing.assert_close(loss, truth)
    loss.backward()
    truth.backward()
    torch.testing.assert_close(fast.grad, slow.grad)


def nt_xent_of(z: Tensor, temperature: float) -> Tensor:
    return nt_xent(similarities(z, temperature))


def lenient_nt_xent(z: Tensor, patients: list[int], temperature: float) -> Tensor:
    """NT-Xent of each of the 2N samples; below the line its other view and the samples of other patients."""
    n = len(patients)
    terms = []
    for i in range(2 * n):
        other = (i + n) % (2 * n)
        below = [k for k in range(2 * n) if k == other or patients[k % n] != patients[i % n]]
        denominator = sum(torch.exp(cosine(z[i], z[k]) / temperature) for k in below)
        terms.append(-torch.log(torch.exp(cosine(z[i], z[other]) / temperature) / denominator))
    return torch.stack(terms).mean()


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("variant", ["paper", "as_released"])
def test_nt_xent_against_other_patients_equals_the_loop(name: str, variant: LossVariant) -> None:
    groups, patients = LAYOUTS[name]
    relations = Groups(related(patients), related(groups), related(groups))
    fast, slow = (samples(len(patients)).requires_grad_() for _ in range(2))
    loss = total_loss(fast, relations, Weights(2.0, 0.0, 0.0, 0.0), 0.5, variant, "other_patients")
    truth = 2 * lenient_nt_xent(slow, patients, 0.5)
    torch.testing.assert_close(loss, truth)
    loss.backward()
    truth.backward()
    torch.testing.assert_close(fast.grad, slow.grad)


def test_negatives_change_nt_xent_and_leave_the_group_losses_alone() -> None:
    z, weights = samples(5), Weights(1.0, 0.05, 0.35, 0.2)
    groups = total_loss(z, GROUPS, Weights(0.0, 0.05, 0.35, 0.2), 0.5)
    every, others = (total_loss(z, GROUPS, weights, 0.5, "paper", negatives) for negatives in ("all", "other_patients"))
    torch.testing.assert_close(every - groups, nt_xent_of(z, 0.5))
    torch.testing.assert_close(others - groups, lenient_nt_xent(z, PATIENTS, 0.5))
    assert others < every


PATIENTS = [0, 0, 0, 1, 1]
GROUPS = Groups(related(PATIENTS), related([0, 0, 1, 2, 2]), related([0, 1, 2, 3, 3]))


def test_total_is_equation_5() -> None:
    z, t = samples(5), 0.5
    parts = [loop_loss(z, relation, PATIENTS, t) for relation in (GROUPS.patient, GROUPS.volume, GROUPS.slice)]
    total = total_loss(z, GROUPS, Weights(1.0, 0.05, 0.35, 0.2), t)
    torch.testing.assert_close(total, nt_xent_of(z, t) + 0.05 * parts[0] + 0.35 * parts[1] + 0.2 * parts[2])
    torch.testing.assert_close(total_loss(z, GROUPS, Weights(0.0, 0.0, 2.0, 0.0), t), 2 * parts[1])
    torch.testing.assert_close(total_loss(z, GROUPS, Weights(3.0, 0.0, 0.0, 0.0), t), 3 * nt_xent_of(z, t))


@pytest.mark.parametrize("variant", ["paper", "as_released"])
def test_similarities_are_computed_once_for_all_losses(variant: LossVariant) -> None:
    with Counted("mm") as products:
        total_loss(samples(5), GROUPS, Weights(1.0, 0.05, 0.35, 0.2), 0.5, variant)
    assert products.count == 1


def released_loop(z: Tensor, patients: list[int], temperature: float) -> Tensor:
    """Every other sample is a positive; below the line stand the positive itself and the samples of other patients."""
    n = len(patients)
    terms = []
    for i in range(2 * n):
        for j in range(2 * n):
            if j == i:
                continue
            below = {k for k in range(2 * n) if patients[k % n] != patients[i % n]} | {j}
            denominator = sum(torch.exp(cosine(z[i], z[k]) / temperature) for k in sorted(below))
            terms.append(-torch.log(torch.exp(cosine(z[i], z[j]) / temperature) / denominator))
    return torch.stack(terms).mean()


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("temperature", [0.5, 0.07])
def test_released_loss_equals_the_loop(name: str, temperature: float) -> None:
    _, patients = LAYOUTS[name]
    fast, slow = (samples(len(patients)).requires_grad_() for _ in range(2))
    loss = released_group_loss(similarities(fast, temperature), strangers(patients))
    truth = released_loop(slow, patients, temperature)
    torch.testing.assert_close(loss, truth)
    loss.backward()
    truth.backward()
    assert torch.isfinite(fast.grad).all()
    torch.testing.assert_close(fast.grad, slow.grad)


def test_released_total_does_not_know_the_groups() -> None:
    t, z, weights = 0.5, samples(5), Weights(1.0, 0.05, 0.35, 0.2)
    others = Groups(GROUPS.patient, GROUPS.patient, GROUPS.patient)
    totals = [total_loss(z, groups, weights, t, "as_released") for groups in (GROUPS, others)]
    released = released_loop(z, PATIENTS, t)
    torch.testing.assert_close(totals[0], nt_xent_of(z, t) + 0.6 * released)
    assert torch.equal(totals[0], totals[1])
    assert not torch.isclose(totals[0], total_loss(z, GROUPS, weights, t))
    only = [total_loss(z, GROUPS, Weights(*shares), t, "as_released") for shares in ((2, 0, 0, 0), (0, 0, 2, 0))]
    torch.testing.assert_close(torch.stack(only), torch.stack([2 * nt_xent_of(z, t), 2 * released]))


def test_similarities_keep_float32_under_autocast_and_small_temperatures() -> None:
    z = samples(5).float()
    weights = Weights(1.0, 0.05, 0.35, 0.2)
    exact = total_loss(z.double(), GROUPS, weights, 0.01).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = total_loss(z, GROUPS, weights, 0.01)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact)
    half = z.bfloat16().requires_grad_()
    total_loss(half, GROUPS, weights, 0.001).backward()
    assert torch.isfinite(half.grad).all()


def test_tight_groups_cost_less_than_scattered_ones() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(2, 8))
    tight = torch.from_numpy(np.tile(centres[[0, 0, 1, 1]], (2, 1)) + 0.01 * rng.normal(size=(8, 8)))
    mixed = tight[[0, 2, 1, 3, 4, 6, 5, 7]]
    costs = [group_loss(similarities(z, 0.5), related([0, 0, 1, 1]), strangers([0, 0, 1, 1])) for z in (tight, mixed)]
    assert costs[0] + 0.5 < costs[1]
