"""Whether replayed steps, steps run call by call and those of the CPU train the same network."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor

from alseg_core import seeding
from alseg_core.data.slices import Slices
from alseg_core.device.precision import Precision
from alseg_core.device.replay import EAGER
from alseg_core.metric_learning.fit import ContrastiveTraining
from alseg_core.training import NetworkTrainer
from alseg_core.vocabulary import IGNORE
from gpu_check.answer import Answer, Target
from gpu_check.setting import Setting, flat_set, trained_weights
from material import scribbles, smooth, table

CLASSES = 4
SLICES = 12
REPLAY = 1e-3
"""Tolerance between replayed and eager steps in float32: the same kernels, some of which sum in any order on a GPU."""
ROUNDING = 1e-2
"""Tolerance between devices in training by SGD in float32: sums differ, and rounding grows from step to step."""
HALF = 0.1
"""Tolerance between replayed and eager steps in the usual precision, bfloat16 on most GPUs."""
NOTHING = 1e-12
"""Learning rate with which weights stay where they start."""
Training = Callable[[str, float | None], Tensor]
"""Function from device and learning rate, None for the usual one, to weights (W,)."""


def answers(setting: Setting) -> Iterator[Answer]:
    """Compare weights after some steps as |w - w'| / |w' - start|: relative to the way that training took."""
    steps = setting.scale.equal_steps
    for marked, name in ((False, "U-Net, full masks"), (True, "dual U-Net, scribbles")):
        yield from _compare(setting, f"{name}, {steps} steps", partial(_fit, setting, marked), ROUNDING)
    yield from _compare(setting, "encoder, an epoch", partial(_encoder, setting), None)


def _compare(
    setting: Setting, name: str, training: Callable[[Precision, bool], Training], rounding: float | None
) -> Iterator[Answer]:
    """Compare trainings that ``training`` makes of a precision and whether dropout is off.

    rounding: tolerance between devices; None to judge none, as for Adam, whose first steps are as long for a gradient
    that is nothing but rounding as for any other.
    """
    device, size = setting.device, f"{setting.scale.equal_side}^2"
    plain = training("float32", True)
    start = plain("cpu", NOTHING)
    on_cpu = plain("cpu", None)

    def answer(what: str, weights: Tensor, other: Tensor, tolerance: float | None, note: str = "") -> Answer:
        apart = float((weights - other).norm() / (other - start).norm())
        target = None if tolerance is None else Target(tolerance, speed=False)
        return Answer(f"{name}: {what}", size, apart, "share", target=target, note=note)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TF32 acceleration on top of oneDNN")  # said of GPUs by Intel, and not used
        with torch.backends.mkldnn.flags(enabled=False):
            other_sums = plain("cpu", None)
    yield answer("CPU, sums in another order", other_sums, on_cpu, rounding, "how far rounding alone leads")
    if not setting.bench.cuda:
        return
    replayed = plain(device, None)
    with eager():
        called = plain(device, None)
    repeated = "0 if kernels sum in a fixed order; what follows cannot be closer"
    yield answer("replayed twice", plain(device, None), replayed, None, repeated)
    yield answer("replayed and eager", replayed, called, REPLAY)
    yield answer("replayed and CPU", replayed, on_cpu, rounding)
    usual = training("auto", False)
    replayed = usual(device, None)
    with eager():
        called = usual(device, None)
    yield answer("replayed and eager, dropout and usual precision", replayed, called, HALF)


@contextmanager
def eager() -> Iterator[None]:
    """Run steps call by call instead of replaying them."""
    os.environ[EAGER] = "1"
    try:
        yield
    finally:
        del os.environ[EAGER]


def _fit(setting: Setting, marked: bool, precision: Precision, still: bool) -> Training:
    side, rng = setting.scale.equal_side, np.random.default_rng(0)
    images, _ = smooth(SLICES, side, 2, rng)
    labels = np.digitize(images[:, 0], (0.2, 0.4, 0.6)).astype(np.uint8)
    if marked:
        labels[scribbles(SLICES, side, rng) == IGNORE] = IGNORE

    def fit(device: str, lr: float | None) -> Tensor:
        trainer: NetworkTrainer = setting.trainer(marked, precision=precision, still=still, lr=lr or 0.01)
        member = trainer.fit(
            flat_set(images, labels, device),
            CLASSES,
            setting.scale.equal_steps if lr is None else 1,
            IGNORE if marked else 0,
            None,
            seeding.stream(0, "gpu-check"),
            lambda _: None,
        )
        assert isinstance(member.network, torch.nn.Module)
        return trained_weights(member.network)

    return fit


def _encoder(setting: Setting, precision: Precision, still: bool) -> Training:  # it has no dropout
    side = setting.scale.equal_side
    images, _ = smooth(SLICES, side, 2, np.random.default_rng(0))
    slices = Slices(table(SLICES, depth=3), images, np.arange(SLICES))

    def fit(device: str, lr: float | None) -> Tensor:
        training = ContrastiveTraining(image_size=side, epochs=1, init="random", precision=precision, lr=lr or 3e-4)
        return trained_weights(training.fit(slices, seeding.stream(0, "gpu-check"), device).encoder())

    return fit
