"""What a study will do and about how long that takes on this machine, from a few real training steps."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from alseg_core.config import RunConfig
    from alseg_core.loop import Plan
    from alseg_core.metric_learning.fit import ContrastiveTraining

STEPS = {"cpu": 5, "cuda": 20}
"""Training steps of a calibration by kind of device. The least time counts: the first ones warm up, on a GPU the step
is captured after some, and whatever else the machine does at the time only adds."""
EPOCHS = {"cpu": 2, "cuda": 6}
"""Epochs of the encoder's calibration, of which the least time counts too; the first one warms up."""
PASSES = 0.35
"""Time of a slice in a forward pass, as a share of its time in a training step."""
PATIENTS = 4
"""Patients of the encoder's calibration."""
SURFACE_S = 0.05
"""Seconds that surface distances of one test volume and class take."""


@dataclass(frozen=True)
class Work:
    """What is going to run. steps: training steps of all networks."""

    runs: int
    rounds: int
    trainings: int
    steps: int


def count(configs: Sequence[RunConfig], plans: Mapping[str, Plan]) -> Work:
    """Work of the runs, ``plans`` by key."""
    return Work(
        runs=len(configs),
        rounds=sum(len(plans[c.key].budgets) for c in configs),
        trainings=sum(len(plans[c.key].budgets) * c.members for c in configs),
        steps=sum(sum(plans[c.key].iterations) * c.members for c in configs),
    )


def durations(configs: Sequence[RunConfig], plans: Mapping[str, Plan]) -> list[float]:
    """Seconds of each run, from a calibration that takes seconds for one kind of network.

    What runs share counts for the first of them.
    """
    import torch

    before = torch.get_num_threads()
    step_times: dict[str, float] = {}
    slice_times: dict[str, float] = {}  # of an encoder's epoch
    encoders: set[str] = set()  # that recipes share
    firsts: set[str] = set()  # trainings of the first round that recipes share
    found: list[float] = []
    try:
        for config in configs:
            torch.set_num_threads(config.threads)
            plan = plans[config.key]
            kind = f"{config.train!r}{plan.size}{plan.channels}{config.threads}"
            if kind not in step_times:
                step_times[kind] = _step_seconds(config, plan)
            found.append(_run_seconds(config, plan, step_times[kind]))
            shared = config.recipe.embed
            encoder = f"{shared!r}{config.dataset.name}{config.seed}"
            if (contrastive := _contrastive(config)) is not None and encoder not in encoders:
                epoch = f"{shared!r}{plan.size}{plan.channels}{config.threads}"
                if epoch not in slice_times:
                    slice_times[epoch] = _encoder_slice_seconds(config, plan)
                found[-1] += slice_times[epoch] * plan.pool * contrastive.epochs
                encoders.add(encoder)
            if config.starts_at_random:
                first = f"{config.dataset!r}{config.annotation!r}{config.train!r}{config.seed}{plan.budgets[0]}"
                if first in firsts:
                    found[-1] -= plan.iterations[0] * config.members * step_times[kind]
                firsts.add(first)
    finally:
        torch.set_num_threads(before)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # the runs are other processes
    return found


def wall(durations: Sequence[float], concurrency: int) -> float:
    """Seconds that runs take together, ``concurrency`` at once, the longest first."""
    return max(sum(durations) / concurrency, max(durations, default=0.0))


def at_once(configs: Sequence[RunConfig], cpus: int, gpus: float, limit: int | None, cores: int, devices: int) -> int:
    """Runs that fit on ``cores`` and ``devices`` at the same time, at least 1."""
    fitting = cores // cpus
    if gpus > 0:
        fitting = min(fitting, int(devices / gpus))
    return max(1, min(fitting, limit or fitting, len(configs)))


def cores() -> int:
    """CPU cores of this process."""
    return os.cpu_count() or 1


def _step_seconds(config: RunConfig, plan: Plan) -> float:
    """Seconds of one training step of the study's own trainer at its own size."""
    import torch

    from alseg_core.training.batches import TrainingSet

    device = config.resolve_device()
    rng = np.random.default_rng(0)
    classes = len(config.dataset.classes)
    depth, batch = _depth(config, plan), config.train.batch
    images = rng.random((depth * batch, plan.channels, plan.size, plan.size), dtype=np.float32)
    labels = rng.integers(0, classes, (depth * batch, plan.size, plan.size)).astype(np.uint8)
    volume, z = np.repeat(np.arange(batch), depth), np.tile(np.arange(depth), batch)
    data = TrainingSet.of(images, labels, volume, z, device)
    steps = STEPS[device.partition(":")[0]]
    trainer = dataclasses.replace(config.train, validate_every=steps)
    marks: list[float] = []

    def mark(step: int) -> None:
        if device != "cpu":
            torch.cuda.synchronize()
        marks.append(time.perf_counter())

    trainer.fit(data, classes, steps, 0, lambda network: 0.0, rng, mark)
    return float(np.diff(marks[:-1]).min())


def _depth(config: RunConfig, plan: Plan) -> int:
    """Slices of one part of a batch: a volume of the test volumes' mean depth for a volumetric network, else one."""
    from alseg_core.models.unet3d import UNet3D

    network = config.train.network
    return min(round(plan.test_slices / plan.test_volumes), network.window) if isinstance(network, UNet3D) else 1


def _run_seconds(config: RunConfig, plan: Plan, step: float) -> float:
    """Training, validation, evaluation and, where a strategy looks at predictions, one look at the pool a round."""
    forward = PASSES * step / (config.train.batch * _depth(config, plan))
    validations = sum(math.ceil(n / config.train.validate_every) for n in plan.iterations) * config.members
    seconds = sum(plan.iterations) * config.members * step + validations * plan.val_slices * forward
    seconds += len(plan.budgets) * plan.test_slices * forward
    if config.evaluate.surface:
        seconds += len(plan.budgets) * plan.test_volumes * (len(config.dataset.classes) - 1) * SURFACE_S
    if config.recipe.strategy.needs_model:
        seconds += (len(plan.budgets) - 1) * plan.pool * _passes(config) * forward
    return seconds


def _passes(config: RunConfig) -> int:
    """Forward passes of a slice in one query of a strategy that looks at predictions: members, or dropout passes."""
    from alseg_core.strategies.scores import OF_DISAGREEMENT

    strategy: Any = config.recipe.strategy
    score = getattr(strategy, "score", strategy)  # the score of a strategy, or its own fields
    source = getattr(score, "source", "members")
    if source == "auto":
        measure = getattr(score, "measure", None) or score.name
        source = "dropout" if measure in OF_DISAGREEMENT and config.members == 1 else "members"
    return int(score.passes) if source == "dropout" else config.members


def _contrastive(config: RunConfig) -> ContrastiveTraining | None:
    from alseg_core.metric_learning.fit import ContrastiveTraining

    embed = config.recipe.embed
    return embed if isinstance(embed, ContrastiveTraining) else None


def _encoder_slice_seconds(config: RunConfig, plan: Plan) -> float:
    """Seconds that the encoder takes for one slice and epoch, from short epochs on a few patients of small volumes."""
    from alseg_core.data.slices import Slices, SliceTable

    training = _contrastive(config)
    assert training is not None
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
    # few steps of a rate that does nothing, whatever the run's rate does
    short = dataclasses.replace(training, epochs=EPOCHS[device.partition(":")[0]], init="random", lr=1e-6)
    marks: list[float] = []
    short.fit(slices, np.random.default_rng(0), device, lambda _: marks.append(time.perf_counter()))
    return float(np.diff(marks).min()) / len(table)
