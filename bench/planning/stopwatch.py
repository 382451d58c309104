"""How long a training step and an epoch of an encoder take, measured by timing a few on this machine."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bench.planning.cores import busy

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from alseg_core.material import Plan
    from alseg_core.metric_learning.fit import ContrastiveTraining

STEPS = {"cpu": 5, "cuda": 20}
"""Number of training steps to time, by kind of device. The shortest counts: the first steps warm up, a GPU captures the
step after some, and other work on the machine only adds time."""
EPOCHS = {"cpu": 3, "cuda": 6}
"""Number of epochs of an encoder to time, by kind of device; the shortest counts, as the first one warms up."""
PATIENTS = 4
"""Number of patients on which an encoder is timed."""
RELATIVE_SLICE = 0.15
"""Operations for one slice in an encoder's epoch, as a fraction of those of a training step of six such slices."""


class Clock(Protocol):
    """Source of the durations of a run's parts."""

    measured: bool
    """Whether durations are in seconds; if not, they are in training steps."""
    busy: str | None
    """What else the machine had to do meanwhile, such as "load 3.1 on 2 cores"; None = nothing that matters."""

    def step(self, config: RunConfig, plan: Plan) -> float:
        """Return the duration of one training step of one network."""
        ...

    def encoder_slice(self, training: ContrastiveTraining, config: RunConfig, plan: Plan) -> float:
        """Return the duration of one slice in one epoch of an encoder's training."""
        ...


class Relative:
    """Relative durations without any measurement: a training step takes 1."""

    measured = False
    busy: str | None = None

    def step(self, config: RunConfig, plan: Plan) -> float:
        """See :class:`Clock`."""
        return 1.0

    def encoder_slice(self, training: ContrastiveTraining, config: RunConfig, plan: Plan) -> float:
        """See :class:`Clock`."""
        return RELATIVE_SLICE * (training.image_size / plan.size) ** 2


class Stopwatch:
    """Measured durations; each kind of network or encoder is timed once, with the device and threads of its runs."""

    measured = True

    def __init__(self) -> None:
        self._known: dict[str, float] = {}
        self.busy: str | None = None

    def step(self, config: RunConfig, plan: Plan) -> float:
        """See :class:`Clock`."""
        kind = f"step {plan.trainer!r}{plan.size}{plan.channels}{config.threads}{step_shape(config, plan)}"
        if kind not in self._known:
            self._look_around()
            with _threads(config.threads):
                self._known[kind] = _step_seconds(config, plan)
        return self._known[kind]

    def encoder_slice(self, training: ContrastiveTraining, config: RunConfig, plan: Plan) -> float:
        """See :class:`Clock`."""
        kind = f"encoder {training!r}{plan.size}{plan.channels}{config.threads}"
        if kind not in self._known:
            self._look_around()
            with _threads(config.threads):
                self._known[kind] = _encoder_slice_seconds(training, config, plan)
        return self._known[kind]

    def _look_around(self) -> None:
        """Note whether other work slows down what is about to be timed."""
        self.busy = self.busy or busy()


def step_shape(config: RunConfig, plan: Plan) -> tuple[int, int]:
    """Return the volumes of a training step and the slices of each, for volumes as deep as the test volumes."""
    return config.train.step_shape(round(plan.test_slices / plan.test_volumes))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let torch use ``count`` threads inside the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(count, os.cpu_count() or 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # leave the memory to the runs, which are other processes


def _time_source(config: RunConfig, device: str) -> Callable[[], float]:
    """Return the clock to measure with, in seconds.

    Training in one thread is measured in that thread's CPU time: Ray starts meanwhile, and would be measured too.
    """
    return time.thread_time if device == "cpu" and config.threads == 1 else time.perf_counter


def _step_seconds(config: RunConfig, plan: Plan) -> float:
    """Return the duration of one training step of the run's trainer at the run's image size, in seconds."""
    import torch

    from alseg_core.training.batches import TrainingSet

    device = config.resolve_device()
    rng = np.random.default_rng(0)
    classes = len(config.dataset.classes)
    batch, deep = step_shape(config, plan)
    images = rng.random((deep * batch, plan.channels, plan.size, plan.size), dtype=np.float32)
    labels = rng.integers(0, classes, (deep * batch, plan.size, plan.size)).astype(np.uint8)
    volume, z = np.repeat(np.arange(batch), deep), np.tile(np.arange(deep), batch)
    data = TrainingSet.of(images, labels, volume, z, device)
    steps = STEPS[device.partition(":")[0]]
    trainer = plan.trainer.unvalidated(steps)
    marks: list[float] = []
    now = _time_source(config, device)

    def mark(_step: int) -> None:
        if device != "cpu":
            torch.cuda.synchronize()
        marks.append(now())

    start = now()
    trainer.fit(data, classes, steps, 0, lambda model: 0.0, rng, mark)
    if len(marks) < 3:  # a trainer that does not report every step
        return (now() - start) / steps
    return float(np.diff(marks[:-1]).min())


def _encoder_slice_seconds(training: ContrastiveTraining, config: RunConfig, plan: Plan) -> float:
    """Return the seconds that an encoder takes for one slice in one epoch, timed on a few patients of small volumes."""
    from alseg_core.data.slices import Slices, SliceTable

    patients = [str(i) for i in range(PATIENTS) for _ in range(2)]
    table = SliceTable(
        cases=tuple(f"{patient}.{i}" for i, patient in enumerate(patients)),
        patients=tuple(patients),
        volume=np.repeat(np.arange(len(patients)), 2),
        z=np.tile(np.arange(2), len(patients)),
    )
    base = np.random.default_rng(0).random((len(table), plan.channels, plan.size, plan.size), dtype=np.float32)
    slices = Slices(table, base, np.arange(len(table)))
    device = config.resolve_device()
    # a tiny learning rate, so that no setting of the run can make the loss NaN
    short = dataclasses.replace(training, epochs=EPOCHS[device.partition(":")[0]], init="random", lr=1e-6)
    marks: list[float] = []
    now = _time_source(config, device)
    short.fit(slices, np.random.default_rng(0), device, lambda _: marks.append(now()))
    return float(np.diff(marks).min()) / len(table)
