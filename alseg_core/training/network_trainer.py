"""Training of a torch network by gradient descent."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

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
from alseg_core.models import NETWORKS, Network, PlannedNetwork, SegmentationModule
from alseg_core.models.weights import content
from alseg_core.quantities import Batch, Epochs, Positive, StepCount, Weight
from alseg_core.registry import component, describe, nested
from alseg_core.training.augment import Augment
from alseg_core.training.batches import Steps, TrainingSet, moved_volume, slice_steps, volume_steps
from alseg_core.training.member import Member
from alseg_core.training.model import Model
from alseg_core.training.schedule import poly
from alseg_core.training.trainer import Trainer

FORMAT_3D = 2
"""Number of the trainings of volumetric networks, to be raised when they change."""
SLICES, VOLUMES = 6, 2
"""Slices, or volumes for a volumetric network, of a step where ``batch`` is null."""
ROUNDING = 1e-6
"""Added before a product is cut to an integer, as 0.29 * 100 is less than 29."""


@component
class NetworkTrainer(Trainer):
    """Gradient descent with a poly schedule; the weights with the best validation Dice are kept, without it the last.

    Source: Vepa et al., NeurIPS 2024, section 4. A GPU predicts in float16 with trained networks, whatever the
    precision of their training.
    """

    format: ClassVar[int] = 4
    gives_networks: ClassVar[bool] = True

    network: Annotated[Network, PlainValidator(NETWORKS.build)]
    """Network that is trained."""
    loss: Annotated[Loss, PlainValidator(LOSSES.build)]
    """Loss over the labelled pixels."""
    iterations_full: StepCount = 60000
    """Steps of a training on the fully labelled pool; a share of its slices gets that share of the steps."""
    iterations_least: StepCount = 1
    """Fewest steps of a training, however few slices are labelled."""
    epochs: Epochs | None = None
    """Passes over the labelled slices, in place of iterations_full; null = not used."""
    batch: Batch | None = None
    """Slices per training step, null = 6; for a volumetric network volumes, of ``network.window`` slices at most, and
    null = 2."""
    optimiser: Literal["sgd", "adam"] = "sgd"
    """Optimiser of the weights."""
    lr: Positive = 0.01
    """Learning rate of the first step."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of SGD; Adam does not use it."""
    weight_decay: Weight = 1e-4
    """Weight decay of either optimiser."""
    power: Weight = 0.9
    """Power of the poly schedule of the learning rate; 0 = constant."""
    clip_norm: Positive | None = None
    """Largest norm of a step's gradient; null = no limit."""
    validate_every: StepCount = 200
    """Steps between two validations; the last step is always validated."""
    augment: Annotated[Augment, nested(Augment, "augment")] = Augment()
    """Augmentation of slices and labels."""
    precision: Precision = "auto"
    """Arithmetic of training: float32, bfloat16, or auto, which is bfloat16 on a GPU that computes in it."""

    def __post_init__(self) -> None:
        if self.network.heads < self.loss.heads:
            loss, network = (describe(part)["name"] for part in (self.loss, self.network))
            raise ConfigError(
                f"train: loss {loss} needs a network with {self.loss.heads} heads, {network} has {self.network.heads}; "
                f"use network {_with_heads(self.network, self.loss.heads)}."
            )
        if self.epochs is not None and self.volumetric:
            raise ConfigError(
                "train: epochs counts slices, a volumetric network takes volumes; set epochs: null, iterations_full to "
                "the steps of a training on the whole pool, and batch to the volumes of a step (null = 2)."
            )
        if self.batch is None:  # described as the number that it stands for
            object.__setattr__(self, "batch", VOLUMES if self.volumetric else SLICES)

    @property
    def title(self) -> str:
        """See :class:`Trainer`."""
        return f"network {describe(self.network)['name']!r}"

    @property
    def drops(self) -> bool:
        """See :class:`Trainer`. Networks of this package name their rates ``dropout`` or ``dropouts``."""
        rates = getattr(self.network, "dropouts", getattr(self.network, "dropout", True))
        return any(rates) if isinstance(rates, tuple) else bool(rates)

    @property
    def volumetric(self) -> bool:
        """See :class:`Trainer`."""
        return self.network.volumetric

    def for_volumes(self, spacing_mm: tuple[float, float, float], shape: tuple[int, int, int]) -> Self:
        """See :class:`Trainer`."""
        if not isinstance(self.network, PlannedNetwork):
            return self
        return dataclasses.replace(self, network=self.network.for_volumes(spacing_mm, shape))

    def check_size(self, size: int) -> None:
        """Raise ConfigError when the poolings do not divide ``size``, or leave one pixel in a volumetric network."""
        step = self.network.divisor
        if size % step:
            other = "; network dynunet takes any size" if self.volumetric else ""
            raise ConfigError(
                f"prepare.size {size} must be a multiple of {step} for a network of this many levels{other}."
            )
        if self.volumetric and step > 1 and size < 2 * step:
            raise ConfigError(
                f"prepare.size {size} leaves one pixel at the deepest level of {self.title}, "
                f"too few for its instance norm; at least {2 * step} is needed, or fewer levels."
            )

    def start(self) -> str:
        """See :class:`Trainer`."""
        return self.network.start()

    def settings(self) -> dict[str, Any]:
        """See :class:`Trainer`."""
        described: dict[str, Any] = describe(self)
        network = described["network"]
        if network.get("weights") is not None:
            network["weights"] = content(Path(network["weights"]))
        if self.volumetric:
            described["format_3d"] = FORMAT_3D
        return described

    def step_shape(self, depth: int) -> tuple[int, int]:
        """See :class:`Trainer`."""
        return self._batch, min(depth, getattr(self.network, "window", depth)) if self.volumetric else 1

    def validations(self, steps: int) -> int:
        """See :class:`Trainer`."""
        return math.ceil(steps / self.validate_every)

    def unvalidated(self, steps: int) -> Self:
        """See :class:`Trainer`."""
        return dataclasses.replace(self, validate_every=steps)

    def state_bytes(self, channels: int, classes: int) -> int:
        """See :class:`Trainer`."""
        network = without_weights(self.network).build(channels, classes)
        tensors = [*network.parameters(), *network.buffers()]  # of the state, where some have two names, but one place
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def restore(self, state: Mapping[str, Any], channels: int, classes: int, device: str) -> SegmentationModule:
        """See :class:`Trainer`."""
        return restored_network(self.network, state, channels, classes, device)

    def iterations(self, labelled: int, share: float) -> int:
        """See :class:`Trainer`. As published, 1 % of 60000 steps is 600, whatever the rounding of the slices."""
        if self.epochs is not None:
            return self.epochs * math.ceil(labelled / self._batch)
        return max(self.iterations_least, int(self.iterations_full * share + ROUNDING))

    def fit(
        self,
        data: TrainingSet,
        classes: int,
        steps: int,
        fill: int,
        validate: Callable[[Model], float] | None,
        rng: np.random.Generator,
        progress: Callable[[int], None],
    ) -> Member:
        """Train ``steps`` steps on the device of ``data``; a GPU does not wait for the host between validations.

        See :class:`Trainer`. On a GPU ``progress`` gets the steps that are queued. Raises AlsegError when the loss is
        no longer finite.
        """
        device = data.device
        with seeding.torch_seeded(seeding.child(rng)), repeatable():
            network = self.network.build(data.images.shape[1], classes).placed(device)
            plan = self._plan(data, network.window, steps, rng)
            course = [(self.lr * poly(step, steps, self.power), step / steps) for step in range(steps)]
            numbers = torch.from_numpy(np.concatenate([np.array(course, np.float32), plan.numbers], axis=1)).to(device)
            step = Replayed(self._step(network, fill, device), recorder(device) if network.window is None else None)
            best, best_weights = -math.inf, network.state_dict()  # the last ones, unless a validation finds better
            network.train()
            batches = feed((data.images, data.labels), plan.rows, device)
            for done, (images, labels) in enumerate(batches, start=1):
                parts = plan.parts[done - 1]
                loss = step(numbers[done - 1], *images.split(parts), *labels.split(parts))
                if done % self.validate_every == 0 or done == steps:
                    if not math.isfinite(value := loss.item()):
                        raise AlsegError(f"training: loss {value} at step {done} of {steps}. Try a lower lr.")
                    if (score := _score(network, validate)) > best:
                        best, best_weights = score, copy.deepcopy(network.state_dict())
                progress(done)
        network.zero_grad(set_to_none=True)  # gradients are in the memory of a captured step
        network.load_state_dict(best_weights)
        return Member(network.eval(), None if validate is None else best, steps)

    def _step(self, network: SegmentationModule, fill: int, device: torch.device) -> Callable[..., Tensor]:
        """Return a function ``step(numbers, *images, *labels)`` for one step, which returns the loss.

        numbers: (3 + 4 M) learning rate, share of the steps that are done, then the numbers of :class:`Steps`. Nothing
        else changes from step to step.
        """
        rate = torch.tensor(self.lr, device=device)
        optimiser = self._optimiser(network, rate)

        def step(numbers: Tensor, *parts: Tensor) -> Tensor:
            rate.copy_(numbers[0])
            maps = numbers[3:].view(-1, 2, 2)
            optimiser.zero_grad(set_to_none=True)
            total = torch.zeros((), device=device)
            count = len(parts) // 2
            for i, (images, labels) in enumerate(zip(parts[:count], parts[count:], strict=True)):
                if network.window is None:
                    images, labels = self.augment(images, labels, fill, maps)
                else:
                    images, labels = moved_volume(self.augment, images, labels, fill, maps[i])
                with autocast(self.precision, device):
                    scales = network.scales(images.contiguous(memory_format=torch.channels_last))
                targets = labels.long()
                losses = [
                    self.loss(tuple(output.float() for output in heads), targets, numbers[2], numbers[1])
                    for heads in scales
                ]
                loss = halved(losses) / count
                loss.backward()
                total += loss.detach()
            if self.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(network.parameters(), self.clip_norm)
            optimiser.step()
            return total

        return step

    def _optimiser(self, network: SegmentationModule, rate: Tensor) -> torch.optim.Optimizer:
        """Return the fused optimiser; its rate is a tensor, so that a replayed step can change it."""
        weights = network.parameters()
        if self.optimiser == "adam":
            capturable = rate.device.type == "cuda"
            return torch.optim.Adam(weights, lr=rate, weight_decay=self.weight_decay, fused=True, capturable=capturable)
        return torch.optim.SGD(weights, lr=rate, momentum=self.momentum, weight_decay=self.weight_decay, fused=True)

    @property
    def _batch(self) -> int:
        assert self.batch is not None
        return self.batch

    def _plan(self, data: TrainingSet, window: int | None, steps: int, rng: np.random.Generator) -> Steps:
        if window is None:
            return slice_steps(data, steps, self._batch, self.augment, rng)
        return volume_steps(data, steps, self._batch, window, self.augment, rng)


def halved(losses: Sequence[Tensor]) -> Tensor:
    """Return the mean of losses weighted by 1, 1/2, 1/4, ... (deep supervision of Isensee et al., 2021)."""
    if len(losses) == 1:
        return losses[0]
    weights = [0.5**i for i in range(len(losses))]
    total = losses[0]
    for weight, loss in zip(weights[1:], losses[1:], strict=True):
        total = total + weight * loss
    return total / sum(weights)


def _with_heads(network: Network, heads: int) -> str:
    """Return the name of a network with ``heads`` heads, of the same kind if there is one."""
    kinds: dict[str, Any] = dict(NETWORKS)
    fitting = [name for name, kind in kinds.items() if (kind.heads, kind.volumetric) == (heads, network.volumetric)]
    own = f"{describe(network)['name']}_dual"
    return own if own in fitting else fitting[0]


def _score(network: SegmentationModule, validate: Callable[[Model], float] | None) -> float:
    """Return the validation Dice of a network in training, -inf without validation."""
    if validate is None:
        return -math.inf
    network.eval()
    score = validate(network)
    network.train()
    return score


def without_weights(network: Network) -> Network:
    """Return a network component that starts from no file: its weights are replaced anyway, or only counted."""
    if not hasattr(network, "weights"):
        return network
    return dataclasses.replace(network, weights=None)  # type: ignore[type-var]


def restored_network(
    network: Network, state: Mapping[str, Any], channels: int, classes: int, device: str
) -> SegmentationModule:
    """Return the trained network whose ``state_dict`` is ``state``, in evaluation mode."""
    module = without_weights(network).build(channels, classes).placed(device)
    module.load_state_dict(state)
    return module.eval()
