"""Conformance suite of segmentation losses, for those of this package and for your own.

Each function in :data:`CHECKS` takes a loss and raises AssertionError with a description of the first fault; with
pytest:

    @pytest.mark.parametrize("check", CHECKS)
    def test_mine(check):
        check(Mine())

:data:`MARKED_ONLY` holds a further check for losses of marked pixels alone; a loss with pseudo labels, such as DMPLS,
also learns from unmarked ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from alseg_core.conformance import demand, global_seeds, pickled
from alseg_core.losses import Loss
from alseg_core.vocabulary import IGNORE

BATCH, CLASSES, SIZE = 3, 4, 8
"""Slices, classes and pixels a side of the examples."""

Outputs = tuple[Tensor, ...]


def _labels() -> Tensor:
    """Labels (B, H, W) int64 with every class and unmarked pixels in each slice."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, CLASSES, (BATCH, SIZE, SIZE), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.4] = IGNORE
    return labels


LABELS: dict[str, Tensor] = {
    "partly marked slices": _labels(),
    "fully marked slices": _labels() % CLASSES,
    "slices of one class": torch.zeros((BATCH, SIZE, SIZE), dtype=torch.int64),
    "slices without a mark": torch.full((BATCH, SIZE, SIZE), IGNORE),
}
"""Labels that a training step may see."""

PARTLY = "partly marked slices"


def _outputs(loss: Loss, seed: int = 1, scale: float = 1.0) -> Outputs:
    """Random logits (B, K, H, W) float32 of as many heads as the loss needs."""
    generator = torch.Generator().manual_seed(seed)
    shape = (BATCH, CLASSES, SIZE, SIZE)
    return tuple(scale * torch.randn(shape, generator=generator) for _ in range(loss.heads))


def _draw(value: float = 0.3) -> Tensor:
    return torch.tensor(value)


def _value(
    loss: Loss, outputs: Outputs, labels: Tensor, what: str, draw: Tensor | None = None, done: float = 0.5
) -> Tensor:
    """Call the loss and check what every answer must satisfy."""
    try:
        value = loss(outputs, labels, _draw() if draw is None else draw, torch.tensor(done))
    except Exception as error:
        raise AssertionError(f"{type(loss).__name__} failed on {what}: {type(error).__name__}: {error}") from error
    fine = isinstance(value, Tensor) and value.shape == () and value.dtype == torch.float32
    got = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
    demand(fine, loss, f"gave {got} on {what}; a float32 scalar was wanted.")
    return value


def finite_scalar(loss: Loss) -> None:
    """It gives a finite float32 scalar for every kind of labels, small and large logits, a single slice, early and
    late in the training.
    """
    for what, labels in LABELS.items():
        for scale, done in itertools.product((1.0, 100.0), (0.0, 0.999)):
            value = _value(loss, _outputs(loss, scale=scale), labels, what, done=done)
            demand(
                bool(value.isfinite()),
                loss,
                f"is not finite on {what} with logits of about {scale:g} after {done:.0%} of the steps.",
            )
    value = _value(loss, tuple(o[:1] for o in _outputs(loss)), LABELS[PARTLY][:1], "a single slice")
    demand(bool(value.isfinite()), loss, "is not finite on a single slice.")


def finite_gradient(loss: Loss) -> None:
    """The gradient by the logits of the main head is finite, and not zero if anything is marked."""
    for what, labels in LABELS.items():
        for scale in (1.0, 100.0):
            outputs = tuple(output.requires_grad_() for output in _outputs(loss, scale=scale))
            value = _value(loss, outputs, labels, what)
            demand(value.requires_grad, loss, f"gives no gradient on {what}.")
            gradient = torch.autograd.grad(value, outputs[0], allow_unused=True)[0]
            demand(gradient is not None, loss, f"does not depend on the main head, on {what}.")
            demand(bool(gradient.isfinite().all()), loss, f"has a gradient that is not finite, on {what}.")
            learns = bool(gradient.any()) or bool((labels == IGNORE).all())
            demand(learns, loss, f"has a zero gradient for wrong predictions, on {what}.")


def small_for_a_perfect_prediction(loss: Loss) -> None:
    """It is near zero for a perfect prediction, and larger for a random and for a wrong one."""
    labels = LABELS["fully marked slices"]
    perfect = 40 * functional.one_hot(labels, CLASSES).movedim(3, 1).float()
    best = _value(loss, (perfect,) * loss.heads, labels, "a perfect prediction")
    demand(bool(best < 0.01), loss, f"is {best:.3g} for a perfect prediction; about 0 was wanted.")
    wrong = (perfect.roll(1, dims=1),) * loss.heads
    for what, outputs in (("random", _outputs(loss)), ("wrong", wrong)):
        value = _value(loss, outputs, labels, f"a {what} prediction")
        demand(
            bool(value > best + 0.01), loss, f"is {value:.3g} for a {what} prediction and {best:.3g} for a perfect one."
        )


def indifferent_to_the_order_of_the_batch(loss: Loss) -> None:
    """It gives the same value, up to rounding, if the slices of the batch are reordered."""
    order = torch.tensor([2, 0, 1])
    for what, labels in LABELS.items():
        outputs = _outputs(loss)
        value = _value(loss, outputs, labels, what)
        other = _value(loss, tuple(o[order] for o in outputs), labels[order], what)
        demand(
            torch.allclose(value, other, rtol=1e-4, atol=1e-6), loss, f"depends on the order of the batch, on {what}."
        )


def random_by_its_draw_alone(loss: Loss) -> None:
    """It gives the same value for the same draw, and neither uses nor changes a global random state."""
    for draw in (0.0, 0.7):
        values = []
        for seed in (1, 2):
            with global_seeds(seed, loss):
                values.append(_value(loss, _outputs(loss), LABELS[PARTLY], PARTLY, _draw(draw)))
        demand(torch.equal(*values), loss, "gives another value for the same draw; the draw is its only randomness.")


def asks_the_host_for_nothing(loss: Loss) -> None:
    """It computes without reading a value: no ``item()``, no ``if`` on a tensor, no indexing by a mask.

    A training step is recorded once and replayed on a GPU, which such code forbids.
    """
    outputs = tuple(output.to("meta") for output in _outputs(loss))  # tensors without values
    try:
        loss(outputs, LABELS[PARTLY].to("meta"), _draw().to("meta"), torch.tensor(0.5, device="meta"))
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")
        raise AssertionError(
            f"{type(loss).__name__} reads the value of a tensor, or makes one on a fixed device; a step that a GPU "
            f"replays cannot: {type(error).__name__}: {reason}"
        ) from error


def leaves_its_inputs_alone(loss: Loss) -> None:
    """It changes neither logits nor labels in place."""
    outputs, labels, draw = _outputs(loss), LABELS[PARTLY].clone(), _draw()
    before = [tensor.clone() for tensor in (*outputs, labels, draw)]
    _value(loss, outputs, labels, PARTLY, draw)
    same = all(torch.equal(a, b) for a, b in zip((*outputs, labels, draw), before, strict=True))
    demand(same, loss, "changes its inputs in place; compute on copies.")


def survives_pickling(loss: Loss) -> None:
    """A pickled copy, as a worker process gets it, gives the same value."""
    copied = pickled(loss)
    values = [_value(one, _outputs(loss), LABELS[PARTLY], PARTLY) for one in (loss, copied)]
    demand(torch.equal(*values), loss, "gives another value after pickling.")


def blind_to_unmarked_pixels(loss: Loss) -> None:
    """It does not depend on the predictions of unmarked pixels."""
    outputs, labels = _outputs(loss), LABELS[PARTLY]
    unmarked = (labels == IGNORE).unsqueeze(1)
    changed = tuple(
        torch.where(unmarked, other, output) for output, other in zip(outputs, _outputs(loss, 2), strict=True)
    )
    value, other = (_value(loss, one, labels, PARTLY) for one in (outputs, changed))
    demand(torch.allclose(value, other, rtol=1e-5, atol=1e-7), loss, "depends on the predictions of unmarked pixels.")


Check = Callable[[Loss], None]

CHECKS: tuple[Check, ...] = (
    finite_scalar,
    finite_gradient,
    small_for_a_perfect_prediction,
    indifferent_to_the_order_of_the_batch,
    random_by_its_draw_alone,
    asks_the_host_for_nothing,
    leaves_its_inputs_alone,
    survives_pickling,
)
"""Checks of every loss."""

MARKED_ONLY: tuple[Check, ...] = (blind_to_unmarked_pixels,)
"""Checks of losses that learn from marked pixels alone."""


def check(loss: Loss, marked_only: bool = False) -> None:
    """Run all checks, those of :data:`MARKED_ONLY` on request. Raises AssertionError for the first fault."""
    for one in (*CHECKS, *(MARKED_ONLY if marked_only else ())):
        one(loss)
