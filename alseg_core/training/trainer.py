"""One network from scratch on the slices annotated so far."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, PlainValidator
from torch import Tensor

from alseg_core import seeding
from alseg_core.errors import AlsegError, ConfigError
from alseg_core.losses import LOSSES, Dmpls, Loss
from alseg_core.models import NETWORKS, Network, UNetModule
from alseg_core.registry import component, nested
from alseg_core.training.augment import Augment
from alseg_core.training.schedule import poly

Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, eq=False)
class Member:
    """A trained network with its best weights, its validation Dice (0..1) and the steps it was trained for."""

    network: UNetModule
    validation_dice: float
    iterations: int


@component
class Trainer:
    """SGD with a poly schedule; the weights with the best validation Dice are kept (Vepa et al., section 4).

    iterations_full: steps of a training on the fully labelled pool; a share of labels gets that share of the steps.
    batch: slices a step. lr, momentum, weight_decay: of SGD. power: of the poly schedule. validate_every: steps between
    validations; there is always one at the end.
    """

    network: Annotated[Network, PlainValidator(NETWORKS.build)]
    loss: Annotated[Loss, PlainValidator(LOSSES.build)]
    iterations_full: Annotated[int, Field(ge=1)] = 60000
    batch: Annotated[int, Field(ge=1)] = 6
    lr: Positive = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    power: Annotated[float, Field(ge=0)] = 0.9
    validate_every: Annotated[int, Field(ge=1)] = 200
    augment: Annotated[Augment, nested(Augment, "augment")] = Augment()

    def __post_init__(self) -> None:
        if isinstance(self.loss, Dmpls) and self.network.heads != 2:
            raise ConfigError("train: loss dmpls needs two heads; use network unet_dual.")

    def iterations(self, fraction: float) -> int:
        """Steps of a training on that share of the pool, at least 1."""
        return max(1, int(self.iterations_full * fraction))

    def fit(
        self,
        images: Tensor,
        labels: Tensor,
        classes: int,
        fraction: float,
        fill: int,
        validate: Callable[[UNetModule], float],
        rng: np.random.Generator,
        progress: Callable[[int], None],
    ) -> Member:
        """Train on images (n, C, H, W) float32 and labels (n, H, W) uint8, both on the device that trains.

        fraction: share of the pool that is labelled. fill: label of pixels that rotation brings in. validate: mean
        validation Dice of a network in evaluation mode. progress: told the steps done. Raises AlsegError when the loss
        is no longer finite.
        """
        steps = self.iterations(fraction)
        with seeding.torch_seeded(seeding.child(rng)):
            network = self.network.build(images.shape[1], classes).placed(images.device)
            optimiser = torch.optim.SGD(
                network.parameters(), lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay
            )
            order = self._order(len(images), steps, rng)
            best, best_weights = -math.inf, network.state_dict()
            network.train()
            for step in range(steps):
                for group in optimiser.param_groups:
                    group["lr"] = self.lr * poly(step, steps, self.power)
                chosen = torch.from_numpy(order[step]).to(images.device)
                x, y = self.augment(images[chosen], labels[chosen], fill, rng)
                outputs = network.heads(x.contiguous(memory_format=torch.channels_last))
                loss = self.loss(outputs, y.long(), rng)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                done = step + 1
                if done % self.validate_every == 0 or done == steps:
                    if not math.isfinite(value := loss.item()):
                        raise AlsegError(f"training: loss {value} at step {done} of {steps}. Try a lower lr.")
                    network.eval()
                    score = validate(network)
                    network.train()
                    if score > best:
                        best, best_weights = score, copy.deepcopy(network.state_dict())
                progress(done)
        network.load_state_dict(best_weights)
        return Member(network.eval(), best, steps)

    def _order(self, count: int, steps: int, rng: np.random.Generator) -> np.ndarray:
        """(steps, batch) slices of each step: one permutation of all after another, so that none is favoured."""
        rounds = math.ceil(steps * self.batch / count)
        stream = np.concatenate([rng.permutation(count) for _ in range(rounds)])
        return stream[: steps * self.batch].reshape(steps, self.batch)
