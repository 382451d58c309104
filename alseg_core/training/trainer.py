"""One network from scratch on the slices annotated so far."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PlainValidator
from torch import Tensor

from alseg_core import seeding
from alseg_core.device.feed import feed
from alseg_core.device.precision import Precision, autocast
from alseg_core.device.repeatable import repeatable
from alseg_core.device.replay import Replayed, recorder
from alseg_core.errors import AlsegError, ConfigError
from alseg_core.losses import LOSSES, Loss
from alseg_core.losses.dmpls import Dmpls
from alseg_core.models import NETWORKS, Network, SegmentationModule
from alseg_core.registry import component, nested
from alseg_core.training.augment import Augment
from alseg_core.training.batches import Steps, TrainingSet, moved_volume, slice_steps, volume_steps
from alseg_core.training.member import Member
from alseg_core.training.schedule import poly

Positive = Annotated[float, Field(gt=0)]

TRAINING_FORMAT = 2
"""Raise it with any change after which the same settings train another network: trainings kept before count no more."""


@component
class Trainer:
    """SGD with a poly schedule; the weights with the best validation Dice are kept (Vepa et al., section 4).

    iterations_full: steps of a training on the fully labelled pool; a share of labels gets that share of the steps.
    epochs: in place of that, passes over the labelled slices, whatever their number. batch: slices a step, volumes for
    a volumetric network. optimiser: "sgd" or "adam". lr, weight_decay: of either; momentum: of SGD. power: of the poly
    schedule, 0 = constant rate. clip_norm: largest norm of a step's gradient, None = any. validate_every: steps between
    validations; there is always one at the end. precision: of the network's arithmetic in training; see
    :data:`alseg_core.device.precision.Precision`. What trained networks predict on a GPU is float16.
    """

    network: Annotated[Network, PlainValidator(NETWORKS.build)]
    loss: Annotated[Loss, PlainValidator(LOSSES.build)]
    iterations_full: Annotated[int, Field(ge=1)] = 60000
    epochs: Annotated[int, Field(ge=1)] | None = None
    batch: Annotated[int, Field(ge=1)] = 6
    optimiser: Literal["sgd", "adam"] = "sgd"
    lr: Positive = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    power: Annotated[float, Field(ge=0)] = 0.9
    clip_norm: Positive | None = None
    validate_every: Annotated[int, Field(ge=1)] = 200
    augment: Annotated[Augment, nested(Augment, "augment")] = Augment()
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if isinstance(self.loss, Dmpls) and self.network.heads != 2:
            raise ConfigError("train: loss dmpls needs two heads; use network unet_dual.")
        if self.epochs is not None and self.network.volumetric:
            raise ConfigError("train: epochs counts slices, a volumetric network takes volumes; use iterations_full.")

    def iterations(self, labelled: int, pool: int) -> int:
        """Steps of a training on ``labelled`` of ``pool`` slices, at least 1."""
        if self.epochs is not None:
            return self.epochs * math.ceil(labelled / self.batch)
        return max(1, int(self.iterations_full * (labelled / pool)))

    def fit(
        self,
        data: TrainingSet,
        classes: int,
        steps: int,
        fill: int,
        validate: Callable[[SegmentationModule], float],
        rng: np.random.Generator,
        progress: Callable[[int], None],
    ) -> Member:
        """Train ``steps`` steps on the device of ``data``; a GPU does not wait for the host between validations.

        fill: label of pixels that rotation brings in. validate: mean validation Dice of a network in evaluation mode.
        progress: told the steps done, or on a GPU those that are on their way. Raises AlsegError when the loss is no
        longer finite.
        """
        device = data.device
        with seeding.torch_seeded(seeding.child(rng)), repeatable():
            network = self.network.build(data.images.shape[1], classes).placed(device)
            plan = self._plan(data, network.window, steps, rng)
            rates = np.array([[self.lr * poly(step, steps, self.power)] for step in range(steps)], dtype=np.float32)
            numbers = torch.from_numpy(np.concatenate([rates, plan.numbers], axis=1)).to(device)
            step = Replayed(self._step(network, fill, device), recorder(device) if network.window is None else None)
            best, best_weights = -math.inf, network.state_dict()
            network.train()
            batches = feed((data.images, data.labels), plan.rows, device)
            for done, (images, labels) in enumerate(batches, start=1):
                parts = plan.parts[done - 1]
                loss = step(numbers[done - 1], *images.split(parts), *labels.split(parts))
                if done % self.validate_every == 0 or done == steps:
                    if not math.isfinite(value := loss.item()):
                        raise AlsegError(f"training: loss {value} at step {done} of {steps}. Try a lower lr.")
                    network.eval()
                    score = validate(network)
                    network.train()
                    if score > best:
                        best, best_weights = score, copy.deepcopy(network.state_dict())
                progress(done)
        network.zero_grad(set_to_none=True)  # gradients lie in the memory of a captured step
        network.load_state_dict(best_weights)
        return Member(network.eval(), best, steps)

    def _step(self, network: SegmentationModule, fill: int, device: torch.device) -> Callable[..., Tensor]:
        """One step: ``step(numbers, *images, *labels)`` of as many parts; returns the loss.

        numbers: (2 + 4 M) learning rate, then what :class:`Steps` says. Nothing else changes from step to step.
        """
        rate = torch.tensor(self.lr, device=device)
        optimiser = self._optimiser(network, rate)

        def step(numbers: Tensor, *parts: Tensor) -> Tensor:
            rate.copy_(numbers[0])
            maps = numbers[2:].view(-1, 2, 2)
            optimiser.zero_grad(set_to_none=True)
            total = torch.zeros((), device=device)
            count = len(parts) // 2
            for i, (images, labels) in enumerate(zip(parts[:count], parts[count:], strict=True)):
                if network.window is None:
                    images, labels = self.augment(images, labels, fill, maps)
                else:
                    images, labels = moved_volume(self.augment, images, labels, fill, maps[i])
                with autocast(self.precision, device):
                    outputs = network.heads(images.contiguous(memory_format=torch.channels_last))
                loss = self.loss(tuple(output.float() for output in outputs), labels.long(), numbers[1]) / count
                loss.backward()
                total += loss.detach()
            if self.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(network.parameters(), self.clip_norm)
            optimiser.step()
            return total

        return step

    def _optimiser(self, network: SegmentationModule, rate: Tensor) -> torch.optim.Optimizer:
        """One kernel for all weights; the rate is a tensor, so that a replayed step can change it."""
        weights = network.parameters()
        if self.optimiser == "adam":
            capturable = rate.device.type == "cuda"
            return torch.optim.Adam(weights, lr=rate, weight_decay=self.weight_decay, fused=True, capturable=capturable)
        return torch.optim.SGD(weights, lr=rate, momentum=self.momentum, weight_decay=self.weight_decay, fused=True)

    def _plan(self, data: TrainingSet, window: int | None, steps: int, rng: np.random.Generator) -> Steps:
        if window is None:
            return slice_steps(data, steps, self.batch, self.augment, rng)
        return volume_steps(data, steps, self.batch, window, self.augment, rng)
