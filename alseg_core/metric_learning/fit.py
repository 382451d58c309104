"""Training of the slice encoder by group-based contrastive learning, once, before active learning starts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from alseg_core import seeding
from alseg_core.data.slices import Slices
from alseg_core.device.feed import feed, placed
from alseg_core.device.precision import Precision, autocast
from alseg_core.device.repeatable import repeatable
from alseg_core.device.replay import Replayed, recorder
from alseg_core.errors import AlsegError, ConfigError
from alseg_core.metric_learning.encode import resized
from alseg_core.metric_learning.groups import relate
from alseg_core.metric_learning.losses import LossVariant, Weights, total_loss
from alseg_core.metric_learning.sampler import epoch_batches
from alseg_core.metric_learning.views import TwoViews
from alseg_core.models.resnet import FEATURES, ProjectionHead, ResNetEncoder, load_imagenet
from alseg_core.registry import component

Weight = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, eq=False)
class FittedEncoder:
    """A trained encoder: ``state`` is the state_dict (CPU tensors) of :class:`ResNetEncoder` for ``channels`` channels.

    facts: init (what the weights really started from), epochs (run), best_epoch (1-based), stopped_early, losses
    (mean of each epoch), seconds.
    """

    state: dict[str, Tensor]
    channels: int
    facts: dict[str, Any]

    def encoder(self) -> ResNetEncoder:
        """The encoder with these weights, on the CPU, in evaluation mode."""
        with seeding.torch_seeded(0):  # its initial weights are replaced
            encoder = ResNetEncoder(self.channels)
        encoder.load_state_dict(self.state)
        return encoder.eval()


@component
class ContrastiveTraining:
    """Settings of Eq. 5 and its optimisation (Vepa et al., NeurIPS 2024); the defaults are the paper's for ACDC.

    w_ntxent, w_patient, w_volume, w_slice: weights of the losses, at least one above 0. temperature: of every loss.
    loss: "paper", group losses of Eq. 4, or "as_released", those of the authors' code, in which every other sample is a
    positive and the three group losses do not differ.
    batch: slices a step, rounded to whole groups (8 becomes 9 with two group losses). epochs: at most.
    lr, weight_decay: Adam. image_size: pixels a side that slices are resized to. projection: length of z. init:
    "imagenet", "random" or the path of a ResNet-18 ``.pth``; if_missing: "error" or "random" when those weights
    cannot be had.
    patience: epochs without an improvement of the mean training loss by min_delta after which training stops.
    precision: of the encoder's arithmetic in training; see :data:`alseg_core.device.precision.Precision`. Features are
    float32.
    """

    w_ntxent: Weight = 1.0
    w_patient: Weight = 0.05
    w_volume: Weight = 0.35
    w_slice: Weight = 0.0
    loss: LossVariant = "paper"
    temperature: Annotated[float, Field(gt=0)] = 0.5
    batch: Annotated[int, Field(gt=0)] = 8
    epochs: Annotated[int, Field(gt=0)] = 100
    lr: Annotated[float, Field(gt=0)] = 3e-4
    weight_decay: Annotated[float, Field(ge=0)] = 1e-6
    image_size: Annotated[int, Field(ge=16)] = 256
    projection: Annotated[int, Field(gt=0)] = 64
    init: str = "imagenet"
    if_missing: Literal["error", "random"] = "error"
    patience: Annotated[int, Field(gt=0)] = 10
    min_delta: Annotated[float, Field(ge=0)] = 1e-3
    views: TwoViews = TwoViews()
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if not self.w_ntxent + self.w_patient + self.w_volume + self.w_slice > 0:
            raise ConfigError("contrastive training: one of w_ntxent, w_patient, w_volume, w_slice must be above 0.")

    @property
    def weights(self) -> Weights:
        """The weights of Eq. 5."""
        return Weights(self.w_ntxent, self.w_patient, self.w_volume, self.w_slice)

    def fit(
        self,
        slices: Slices,
        rng: np.random.Generator,
        device: str | torch.device = "cpu",
        progress: Callable[[float], None] | None = None,
    ) -> FittedEncoder:
        """Train on all ``slices`` without labels; the encoder is that of the epoch with the lowest mean training loss.

        The device is waited for once an epoch. progress: called with the share that is done, in (0, 1], after each.
        Raises ConfigError when the wanted initial weights cannot be had, AlsegError when the loss is no longer finite.
        """
        started = time.perf_counter()
        device = torch.device(device)
        with seeding.torch_seeded(seeding.child(rng)):
            encoder, head = ResNetEncoder(slices.channels), ProjectionHead(FEATURES, self.projection)
        used = load_imagenet(encoder, self.init, self.if_missing)
        encoder.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        head.to(device)
        step = Replayed(self._step(encoder, head), recorder(device))
        generator = seeding.torch_generator(rng)
        (images,) = placed([resized(slices, self.image_size, device)], device)
        table = slices.table
        owners = torch.from_numpy(np.stack([table.patient, table.volume, table.z], axis=1)).to(images.device)

        losses: list[float] = []
        state: dict[str, Tensor] = {}
        mark, stale = math.inf, 0
        batches = epoch_batches(table, self.weights.groups, self.batch, rng)
        with repeatable():
            while len(losses) < self.epochs and stale < self.patience:
                encoder.train()
                sizes = [len(batch) for batch in batches]
                draws = self.views.draws(sum(sizes), generator).to(device).split([2 * size for size in sizes])
                total = torch.zeros((), device=device)
                for size, u, parts in zip(sizes, draws, feed((images, owners), batches, device), strict=True):
                    total.add_(step(*parts, u), alpha=size)
                batches = epoch_batches(table, self.weights.groups, self.batch, rng)  # while the device is at work
                mean = float(total) / sum(sizes)
                if not math.isfinite(mean):
                    raise AlsegError(f"contrastive training: loss {mean} in epoch {len(losses) + 1}. Try a lower lr.")
                if mean < min(losses, default=math.inf):
                    state = {name: value.detach().clone() for name, value in encoder.state_dict().items()}
                losses.append(mean)
                mark, stale = (mean, 0) if mean < mark - self.min_delta else (mark, stale + 1)
                if progress is not None:
                    progress(1.0 if stale == self.patience else len(losses) / self.epochs)
        facts = {
            "init": used,
            "epochs": len(losses),
            "best_epoch": int(np.argmin(losses)) + 1,
            "stopped_early": len(losses) < self.epochs,
            "losses": [round(value, 4) for value in losses],
            "seconds": round(time.perf_counter() - started, 2),
        }
        return FittedEncoder({name: value.cpu() for name, value in state.items()}, slices.channels, facts)

    def _step(self, encoder: ResNetEncoder, head: ProjectionHead) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """One step: ``step(images, owners, u)`` -> loss, scalar. Nothing else changes from step to step.

        images: (B, C, S, S). owners: (B, 3) int64, patient, volume and z of each. u: draws of the views.
        """
        device = next(encoder.parameters()).device
        optimizer = torch.optim.Adam(
            [*encoder.parameters(), *head.parameters()],
            lr=self.lr,
            weight_decay=self.weight_decay,
            fused=True,
            capturable=device.type == "cuda",
        )

        def step(images: Tensor, owners: Tensor, u: Tensor) -> Tensor:
            views = self.views(images, u).contiguous(memory_format=torch.channels_last)
            with autocast(self.precision, device):
                z = head(encoder(views))
            loss = total_loss(z, relate(*owners.unbind(1)), self.weights, self.temperature, self.loss)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step
