"""One network from scratch on the slices annotated so far."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PlainValidator

from alseg_core import seeding
from alseg_core.errors import AlsegError, ConfigError
from alseg_core.losses import LOSSES, Dmpls, Loss
from alseg_core.models import NETWORKS, Network, SegmentationModule
from alseg_core.registry import component, nested
from alseg_core.training.augment import Augment
from alseg_core.training.batches import Batch, TrainingSet, slice_batches, volume_batches
from alseg_core.training.member import Member
from alseg_core.training.schedule import poly

Positive = Annotated[float, Field(gt=0)]

TRAINING_FORMAT = 1
"""Raise it with any change after which the same settings train another network: trainings kept before count no more."""


@component
class Trainer:
    """SGD with a poly schedule; the weights with the best validation Dice are kept (Vepa et al., section 4).

    iterations_full: steps of a training on the fully labelled pool; a share of labels gets that share of the steps.
    epochs: in place of that, passes over the labelled slices, whatever their number. batch: slices a step, volumes for
    a volumetric network. optimiser: "sgd" or "adam". lr, weight_decay: of either; momentum: of SGD. power: of the poly
    schedule, 0 = constant rate. clip_norm: largest norm of a step's gradient, None = any. validate_every: steps between
    validations; there is always one at the end.
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
        """Train ``steps`` steps on the device of ``data``.

        fill: label of pixels that rotation brings in. validate: mean validation Dice of a network in evaluation mode.
        progress: told the steps done. Raises AlsegError when the loss is no longer finite.
        """
        device = data.images.device
        with seeding.torch_seeded(seeding.child(rng)):
            network = self.network.build(data.images.shape[1], classes).placed(device)
            optimiser = self._optimiser(network)
            best, best_weights = -math.inf, network.state_dict()
            network.train()
            for step, parts in enumerate(self._batches(data, network.window, steps, fill, rng)):
                for group in optimiser.param_groups:
                    group["lr"] = self.lr * poly(step, steps, self.power)
                optimiser.zero_grad(set_to_none=True)
                total = torch.zeros((), device=device)
                for images, labels in parts:
                    outputs = network.heads(images.contiguous(memory_format=torch.channels_last))
                    loss = self.loss(outputs, labels.long(), rng) / len(parts)
                    loss.backward()
                    total += loss.detach()
                if self.clip_norm is not None:
                    torch.nn.utils.clip_grad_norm_(network.parameters(), self.clip_norm)
                optimiser.step()
                done = step + 1
                if done % self.validate_every == 0 or done == steps:
                    if not math.isfinite(value := total.item()):
                        raise AlsegError(f"training: loss {value} at step {done} of {steps}. Try a lower lr.")
                    network.eval()
                    score = validate(network)
                    network.train()
                    if score > best:
                        best, best_weights = score, copy.deepcopy(network.state_dict())
                progress(done)
        network.load_state_dict(best_weights)
        return Member(network.eval(), best, steps)

    def _optimiser(self, network: SegmentationModule) -> torch.optim.Optimizer:
        if self.optimiser == "adam":
            return torch.optim.Adam(network.parameters(), lr=self.lr, weight_decay=self.weight_decay)
        return torch.optim.SGD(network.parameters(), lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay)

    def _batches(
        self, data: TrainingSet, window: int | None, steps: int, fill: int, rng: np.random.Generator
    ) -> Iterator[Batch]:
        if window is None:
            return slice_batches(data, steps, self.batch, self.augment, fill, rng)
        return volume_batches(data, steps, self.batch, window, self.augment, fill, rng)
