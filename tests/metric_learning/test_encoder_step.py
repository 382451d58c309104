"""The training step of the encoder as a GPU runs it: captured, fed, in half precision, never waiting for the host."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from alseg_core import seeding
from alseg_core.device.feed import _staged
from alseg_core.metric_learning import fit
from alseg_core.metric_learning.encode import encode
from alseg_core.metric_learning.fit import ContrastiveTraining, FittedEncoder
from alseg_core.models.resnet import ResNetEncoder
from alseg_core.vocabulary import IntArray
from tests.device.emulated import Counted, EmulatedGraphs
from tests.metric_learning.test_contrastive_fit import MILD, SMALL, separation, toy

torch.set_num_threads(1)


def trained(**settings: Any) -> FittedEncoder:
    training = ContrastiveTraining(**{**SMALL, "epochs": 3, "w_slice": 0.1, **settings})
    return training.fit(toy(patients=3, depth=4), np.random.default_rng(1))


def assert_same(one: FittedEncoder, other: FittedEncoder, rtol: float) -> None:
    assert one.facts["losses"] == pytest.approx(other.facts["losses"], rel=max(rtol, 1e-12))
    for name, value in one.state.items():
        torch.testing.assert_close(value, other.state[name], rtol=rtol, atol=rtol / 10)


@pytest.mark.parametrize(
    ("loss", "precision"),
    [pytest.param("paper", "float32", marks=pytest.mark.slow), ("as_released", "bfloat16")],
)
def test_a_captured_step_trains_the_same_encoder(monkeypatch: pytest.MonkeyPatch, loss: str, precision: str) -> None:
    plain = trained(loss=loss, precision=precision)
    graphs = EmulatedGraphs()
    monkeypatch.setattr(fit, "recorder", lambda device: graphs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a step that cannot be captured goes on with a warning
        captured = trained(loss=loss, precision=precision)
    assert graphs.recorded >= 1 and graphs.replayed >= 8
    assert_same(plain, captured, rtol=1e-5)


def test_the_host_asks_once_an_epoch_however_many_steps_it_has() -> None:
    counts, steps = [], []
    for depth in (2, 20):
        calls: list[int] = []
        training = ContrastiveTraining(**SMALL, epochs=1)
        slices = toy(patients=2, depth=depth)
        with Counted() as asked, pytest.MonkeyPatch.context() as patch:
            step = training._step
            patch.setattr(ContrastiveTraining, "_step", lambda self, *parts, s=step, c=calls: _counted(s(*parts), c))
            training.fit(slices, np.random.default_rng(0))
        counts.append(asked.count)
        steps.append(len(calls))
    assert counts == [1, 1] and steps[1] >= 10 * steps[0]


def _counted(step: Any, calls: list[int]) -> Any:
    def counted(*inputs: Tensor) -> Tensor:
        calls.append(1)
        return step(*inputs)

    return counted


def test_a_pool_that_stays_on_the_host_trains_the_same_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    resident = trained()

    def staged(arrays: Sequence[Tensor], batches: Sequence[IntArray], device: Any) -> Iterator[tuple[Tensor, ...]]:
        return _staged(arrays, batches, torch.device(device))

    monkeypatch.setattr(fit, "feed", staged)
    assert_same(resident, trained(), rtol=0)


@pytest.mark.slow
def test_half_precision_learns_who_belongs_together_as_full_precision_does() -> None:
    """Within the noise over seeds."""
    slices = toy()

    def apart(encoder: ResNetEncoder) -> float:
        return separation(encode(encoder, slices, 32), slices.table.patient)

    found: dict[Any, list[float]] = {"float32": [], "bfloat16": []}
    for precision, separations in found.items():
        training = ContrastiveTraining(
            **SMALL, epochs=5, lr=5e-4, w_volume=1.0, w_patient=0.0, views=MILD, precision=precision
        )
        for seed in range(3):
            fitted = training.fit(slices, np.random.default_rng(seed))
            assert all(value.dtype in (torch.float32, torch.int64) for value in fitted.state.values())
            separations.append(apart(fitted.encoder()))
    with seeding.torch_seeded(0):
        untrained = apart(ResNetEncoder(1))
    full, half = (np.array(separations) for separations in found.values())
    assert half.mean() > untrained + 0.4 and half.mean() > full.mean() - full.std(), (untrained, found)


def test_the_cpu_keeps_full_precision_unless_told() -> None:
    auto, full, half = (trained(epochs=1, precision=name).facts["losses"] for name in ("auto", "float32", "bfloat16"))
    assert auto == full != half
