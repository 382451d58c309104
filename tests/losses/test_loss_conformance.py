"""Every registered loss passes the conformance suite, and each check finds a planted fault."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch

from alseg_core.losses import LOSSES, Loss
from alseg_core.losses.conformance import CHECKS, MARKED_ONLY, Check, check
from alseg_core.losses.cross_entropy import partial_cross_entropy
from alseg_core.vocabulary import IGNORE


@pytest.mark.parametrize("one", CHECKS)
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_conforms(name: str, one: Check) -> None:
    one(LOSSES.build(name))


@pytest.mark.parametrize("one", MARKED_ONLY)
@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"dmpls"}))
def test_learns_from_marked_pixels_alone(name: str, one: Check) -> None:
    one(LOSSES.build(name))


class Right:
    """Partial cross-entropy; the faults below change one thing."""

    heads: ClassVar[int] = 1

    def __call__(
        self, outputs: tuple[torch.Tensor, ...], labels: torch.Tensor, draw: torch.Tensor, done: torch.Tensor
    ) -> Any:
        return self.value(outputs[0], labels, draw)

    def value(self, logits: torch.Tensor, labels: torch.Tensor, draw: torch.Tensor) -> Any:
        return partial_cross_entropy(logits, labels)


class APixel(Right):
    def value(self, logits, labels, draw):
        return torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none")


class ANumber(Right):
    def value(self, logits, labels, draw):
        return float(super().value(logits, labels, draw))


class MeanOfNothing(Right):
    def value(self, logits, labels, draw):
        return torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORE)


class LogOfZero(Right):
    def value(self, logits, labels, draw):
        chosen = logits.softmax(dim=1).gather(1, (labels * (labels != IGNORE)).unsqueeze(1))[:, 0]
        return -(chosen.log() * (labels != IGNORE)).mean()


class ClassNumber255(Right):
    def value(self, logits, labels, draw):
        return torch.nn.functional.cross_entropy(logits, labels)


class Detached(Right):
    def value(self, logits, labels, draw):
        return super().value(logits.detach(), labels, draw)


class Saturated(Right):
    def value(self, logits, labels, draw):
        return super().value(logits, labels, draw).clamp(max=1e-3)


class RootAtZero(Right):
    def value(self, logits, labels, draw):
        size = (logits.square().sum(dim=1) * (labels != IGNORE)).sum().sqrt()
        return super().value(logits, labels, draw) + size


class UpsideDown(Right):
    def value(self, logits, labels, draw):
        return super().value(-logits, labels, draw)


class Shifted(Right):
    def value(self, logits, labels, draw):
        return super().value(logits, labels, draw) + 1


class FirstSliceCountsTwice(Right):
    def value(self, logits, labels, draw):
        return super().value(logits, labels, draw) + super().value(logits[:1], labels[:1], draw)


class DrawsItself(Right):
    def value(self, logits, labels, draw):
        return super().value(torch.nn.functional.dropout(logits, 0.2), labels, draw)


class DrawsElsewhere(Right):
    generator = torch.Generator().manual_seed(0)

    def value(self, logits, labels, draw):
        noise = torch.rand((), generator=self.generator)
        return super().value(logits, labels, draw) * (1 + noise.to(logits.device))


class AsksForAValue(Right):
    def value(self, logits, labels, draw):
        return super().value(logits, labels, draw) * (1 + draw.item())


class BranchesOnATensor(Right):
    def value(self, logits, labels, draw):
        marked = (labels != IGNORE).any()
        return super().value(logits, labels, draw) if marked else logits.sum() * 0


class IndexesByAMask(Right):
    def value(self, logits, labels, draw):
        marked = labels != IGNORE
        flat = logits.movedim(1, 3)[marked]
        return torch.nn.functional.cross_entropy(flat, labels[marked], reduction="sum") / marked.sum().clamp(min=1)


class InPlace(Right):
    def value(self, logits, labels, draw):
        labels[labels == IGNORE] = 0
        return super().value(logits, labels, draw)


class Unpicklable(Right):
    def __init__(self) -> None:
        self.power = lambda value: value


class ForgetsItsSetting(Right):
    def __init__(self) -> None:
        self.weight = 2

    def __getstate__(self) -> dict[str, Any]:
        return {"weight": 1}

    def value(self, logits, labels, draw):
        return self.weight * super().value(logits, labels, draw)


class PseudoLabels(Right):
    def value(self, logits, labels, draw):
        entropy = -(logits.softmax(dim=1) * logits.log_softmax(dim=1)).sum(dim=1)
        return super().value(logits, labels, draw) + entropy.mean()


FAULTS: list[tuple[type[Right], str, str]] = [
    (APixel, "finite_scalar", "a float32 scalar was wanted"),
    (ANumber, "finite_scalar", "gave float on"),
    (MeanOfNothing, "finite_scalar", "not finite on slices without a mark"),
    (LogOfZero, "finite_scalar", "not finite on partly marked slices with logits of about 100"),
    (ClassNumber255, "finite_scalar", "failed on partly marked slices"),
    (Detached, "finite_gradient", "gives no gradient"),
    (Saturated, "finite_gradient", "zero gradient"),
    (RootAtZero, "finite_gradient", "gradient that is not finite"),
    (UpsideDown, "small_for_a_perfect_prediction", "for a perfect prediction; about 0"),
    (Shifted, "small_for_a_perfect_prediction", "is 1 for a perfect prediction"),
    (FirstSliceCountsTwice, "indifferent_to_the_order_of_the_batch", "order of the batch"),
    (DrawsItself, "random_by_its_draw_alone", "global random state of torch"),
    (DrawsElsewhere, "random_by_its_draw_alone", "another value for the same draw"),
    (AsksForAValue, "asks_the_host_for_nothing", "reads the value"),
    (BranchesOnATensor, "asks_the_host_for_nothing", "reads the value"),
    (IndexesByAMask, "asks_the_host_for_nothing", "reads the value"),
    (InPlace, "leaves_its_inputs_alone", "in place"),
    (Unpicklable, "survives_pickling", "cannot be pickled"),
    (ForgetsItsSetting, "survives_pickling", "after pickling"),
    (PseudoLabels, "blind_to_unmarked_pixels", "unmarked pixels"),
]


@pytest.mark.parametrize(("fault", "by", "says"), FAULTS, ids=[fault.__name__ for fault, _, _ in FAULTS])
def test_finds(fault: type[Right], by: str, says: str) -> None:
    one = next(c for c in (*CHECKS, *MARKED_ONLY) if c.__name__ == by)
    with pytest.raises(AssertionError, match=says) as caught:
        one(fault())
    assert str(caught.value).startswith(fault.__name__)


def test_every_check_is_needed_and_a_right_loss_passes_all() -> None:
    assert {by for _, by, _ in FAULTS} == {one.__name__ for one in (*CHECKS, *MARKED_ONLY)}
    right: Loss = Right()
    check(right, marked_only=True)
