"""Training of the slice encoder by group-based contrastive learning, once, before active learning starts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
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
from alseg_core.metric_learning.losses import LossVariant, Negatives, Weights, total_loss
from alseg_core.metric_learning.sampler import Batches, epoch_batches, partners
from alseg_core.metric_learning.views import TwoViews
from alseg_core.models.resnet import FEATURES, FirstConv, ProjectionHead, ResNetEncoder, load_imagenet
from alseg_core.quantities import LARGEST_SIDE, Batch, Epochs, Positive, Weight, Width
from alseg_core.registry import component, nested


@dataclass(frozen=True, eq=False)
class FittedEncoder:
    """A trained encoder as its weights."""

    state: dict[str, Tensor]
    """state_dict of :class:`ResNetEncoder`, CPU tensors."""
    channels: int
    """Image channels of the encoder."""
    facts: dict[str, Any]
    """init (initial weights actually used), epochs (number run), best_epoch (1-based), stopped_early, losses (mean of
    each epoch), seconds."""

    def encoder(self) -> ResNetEncoder:
        """Return the encoder with these weights, on the CPU, in evaluation mode."""
        with seeding.torch_seeded(0):  # its initial weights are replaced
            encoder = ResNetEncoder(self.channels)
        encoder.load_state_dict(self.state)
        return encoder.eval()


@component
class ContrastiveTraining:
    """Settings of Eq. 5 and its optimisation (Vepa et al., NeurIPS 2024); the defaults are the paper's for ACDC.

    At least one of the four loss weights must be above 0.
    """

    w_ntxent: Weight = 1.0
    """Weight of the NT-Xent loss between the two views of a slice, >= 0."""
    w_patient: Weight = 0.05
    """Weight of the group loss of slices of one patient, >= 0."""
    w_volume: Weight = 0.35
    """Weight of the group loss of slices of one volume, >= 0."""
    w_slice: Weight = 0.0
    """Weight of the group loss of neighbouring slices, >= 0."""
    loss: LossVariant = "paper"
    """Group losses: "paper" is Eq. 4; "as_released" is the authors' code, in which every other sample is a positive and
    the three group losses are the same."""
    negatives: Negatives = "all"
    """Samples that NT-Xent pushes away: "all" others, as published, or those of "other_patients" only. With "all" it
    pushes apart the slices of one patient that the group losses pull together."""
    batches: Batches = "by_losses"
    """Partners of a slice in its batch: "by_losses", as published, one for each group loss that is on, so that the
    batches change with the losses; "patient_mates", always a neighbour, another slice of the volume and another of the
    patient, so that trainings with different losses can be compared."""
    temperature: Positive = 0.5
    """Temperature of all losses, > 0."""
    batch: Batch = 8
    """Slices per step, rounded to whole groups (8 becomes 9 with two group losses)."""
    epochs: Epochs = 100
    """Largest number of epochs."""
    lr: Positive = 3e-4
    """Learning rate of Adam, > 0."""
    weight_decay: Weight = 1e-6
    """Weight decay of Adam, >= 0."""
    image_size: Annotated[int, Field(ge=16, le=LARGEST_SIDE)] = 256
    """Rows and columns that slices are resized to, in pixels."""
    projection: Width = 64
    """Length of the projection z that the losses compare."""
    init: str = "imagenet"
    """Initial weights: "imagenet" (downloaded once), "random", or the path of a ResNet-18 ``.pth`` file."""
    if_missing: Literal["error", "random"] = "error"
    """What to do if the initial weights are unavailable: "error", or "random" to go on with random ones."""
    first_conv: FirstConv = "fresh"
    """First convolution for slices that are not in colour, if the initial weights are those of a network for colour
    images: "fresh", drawn at random as published, or "summed" over the colours. Without effect on random weights."""
    patience: Epochs = 10
    """Epochs without an improvement of the mean training loss by ``min_delta`` after which training stops."""
    min_delta: Weight = 1e-3
    """Smallest improvement of the mean training loss that counts, >= 0."""
    views: Annotated[TwoViews, nested(TwoViews, "views")] = TwoViews()
    """Random augmentations that make the two views of a slice."""
    precision: Precision = "auto"
    """Arithmetic of the encoder in training: "float32", "bfloat16", or "auto", bfloat16 on a GPU that supports it.
    Features are always float32."""

    def __post_init__(self) -> None:
        if not self.w_ntxent + self.w_patient + self.w_volume + self.w_slice > 0:
            raise ConfigError("contrastive training: one of w_ntxent, w_patient, w_volume, w_slice must be above 0.")

    @property
    def weights(self) -> Weights:
        """Weights of Eq. 5."""
        return Weights(self.w_ntxent, self.w_patient, self.w_volume, self.w_slice)

    def fit(
        self,
        slices: Slices,
        rng: np.random.Generator,
        device: str | torch.device = "cpu",
        progress: Callable[[float], None] | None = None,
    ) -> FittedEncoder:
        """Train on all ``slices`` without labels; the result is the encoder of the epoch with the lowest mean loss.

        The host waits for the device once per epoch. progress: called after each with the share that is done, in (0,
        1]. Raises ConfigError if the initial weights are unavailable, AlsegError if the loss is no longer finite.
        """
        started = time.perf_counter()
        device = torch.device(device)
        with seeding.torch_seeded(seeding.child(rng)):
            encoder, head = ResNetEncoder(slices.channels), ProjectionHead(FEATURES, self.projection)
        used = load_imagenet(encoder, self.init, self.if_missing, self.first_conv)
        encoder.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        head.to(device)

        losses: list[float] = []
        state: dict[str, Tensor] = {}
        mark, stale = math.inf, 0
        with repeatable():
            for mean in self._epochs(encoder, head, slices, rng):
                if not math.isfinite(mean):
                    raise AlsegError(f"contrastive training: loss {mean} in epoch {len(losses) + 1}. Try a lower lr.")
                if mean < min(losses, default=math.inf):
                    state = {name: value.detach().clone() for name, value in encoder.state_dict().items()}
                losses.append(mean)
                mark, stale = (mean, 0) if mean < mark - self.min_delta else (mark, stale + 1)
                if progress is not None:
                    progress(1.0 if stale == self.patience else len(losses) / self.epochs)
                if len(losses) == self.epochs or stale == self.patience:
                    break
        facts = {
            "init": used,
            "epochs": len(losses),
            "best_epoch": int(np.argmin(losses)) + 1,
            "stopped_early": len(losses) < self.epochs,
            "losses": [round(value, 4) for value in losses],
            "seconds": round(time.perf_counter() - started, 2),
        }
        return FittedEncoder({name: value.cpu() for name, value in state.items()}, slices.channels, facts)

    def _epochs(
        self, encoder: ResNetEncoder, head: ProjectionHead, slices: Slices, rng: np.random.Generator
    ) -> Iterator[float]:
        """Train epoch after epoch without end; yield the mean loss of each."""
        device = next(encoder.parameters()).device
        step = Replayed(self._step(encoder, head), recorder(device))
        generator = seeding.torch_generator(rng)
        (images,) = placed([resized(slices, self.image_size, device)], device)
        table = slices.table
        owners = torch.from_numpy(np.stack([table.patient, table.volume, table.z], axis=1)).to(images.device)
        mates = partners(self.batches, self.weights.groups)
        batches = epoch_batches(table, mates, self.batch, rng)
        while True:
            encoder.train()
            sizes = [len(batch) for batch in batches]
            draws = self.views.draws(sum(sizes), generator).to(device).split([2 * size for size in sizes])
            total = torch.zeros((), device=device)
            for size, u, parts in zip(sizes, draws, feed((images, owners), batches, device), strict=True):
                total.add_(step(*parts, u), alpha=size)
            batches = epoch_batches(table, mates, self.batch, rng)  # while the device is busy
            yield float(total) / sum(sizes)

    def _step(self, encoder: ResNetEncoder, head: ProjectionHead) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """Return one training step, ``step(images, owners, u)`` -> scalar loss; all that varies are its inputs.

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
            groups = relate(*owners.unbind(1))
            loss = total_loss(z, groups, self.weights, self.temperature, self.loss, self.negatives)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step
