"""Predictions of trained models: labels, probabilities of members and dropout passes, features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alseg_core.errors import ConfigError
from alseg_core.geometry.symmetries import Symmetry
from alseg_core.models import SegmentationModule
from alseg_core.training.dropout import Dropping, Masks
from alseg_core.training.member import Member, Restorer
from alseg_core.training.model import Model, device_of, for_inference
from alseg_core.vocabulary import LabelArray

PIXELS = {"cpu": 2**17, "cuda": 2**22}
"""Pixels per forward pass: few enough for a CPU's caches, enough to fill a GPU."""


def chunk_size(size: tuple[int, int], device: str | torch.device) -> int:
    """Return the slices of ``size`` (rows, columns) that one forward pass takes."""
    pixels = PIXELS.get(torch.device(device).type, PIXELS["cpu"])
    return max(1, pixels // (size[0] * size[1]))


def half_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return a context for convolutions in float16 on a GPU; nothing is trained in it, so nothing underflows."""
    return torch.autocast("cuda", torch.float16) if device.type == "cuda" else nullcontext()


@torch.inference_mode()
def label_chunks(network: Model, images: Tensor, depths: Sequence[int] | None = None) -> Iterator[Tensor]:
    """Yield the most probable classes (b, H, W) uint8 of images (B, C, H, W), chunk by chunk, on the network's device.

    The images may be on another device. The network stays in its mode. depths: see :func:`predict_labels`.
    """
    device = device_of(network, images)
    if network.window is None:
        chunks = images.split(chunk_size((images.shape[2], images.shape[3]), device))
    else:
        chunks = images.split(list(depths or [len(images)]))
    for chunk in chunks:
        with half_precision(device):
            logits = network(_laid_out(chunk, device))
        yield logits.max(dim=1).indices.to(torch.uint8)  # argmax is several times slower


def predict_labels(network: Model, images: Tensor, depths: Sequence[int] | None = None) -> LabelArray:
    """Return the most probable class (B, H, W) uint8 of images (B, C, H, W), in the network's present mode.

    depths: number of slices of each volume, one volume after another in ``images``; None = one volume. A volumetric
    network takes one volume at a time.
    """
    return torch.cat(list(label_chunks(network, images, depths))).cpu().numpy()


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The models of one round."""

    members: Sequence[Member]
    device: str

    @property
    def best(self) -> int:
        """Index of the member that is evaluated: the one with the highest validation Dice, the first of equal ones."""
        return int(np.argmax([-1.0 if m.validation_dice is None else m.validation_dice for m in self.members]))

    @property
    def window(self) -> int | None:
        """That of the models; unless it is None, the methods below take the slices of ONE volume in order of z."""
        return self.members[0].network.window

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Iterator[Tensor]:
        """Yield class probabilities (B, K, H, W) of images (B, C, H, W), one member after another."""
        images = self._here(images)
        for network in self._networks:
            with half_precision(images.device):
                logits = network(images)
            yield logits.float().softmax(dim=1)

    @torch.inference_mode()
    def dropout_probabilities(self, images: Tensor, passes: int, seed: int) -> Iterator[Tensor]:
        """Yield class probabilities of the best member under ``passes`` dropout masks, batch norm in evaluation mode.

        Raises ConfigError when the best member is no torch network; so do ``features`` and ``pixel_features``.
        """
        images = self._here(images)
        masks = Masks(seed, images.device)
        for _ in range(passes):
            with half_precision(images.device):
                logits = self._dropping(images, masks)
            yield logits.float().softmax(dim=1)

    @torch.inference_mode()
    def tta_probabilities(self, images: Tensor, symmetries: Iterable[Symmetry]) -> Iterator[Tensor]:
        """Yield class probabilities (B, K, H, W) of the best member on transformed images, transformed back."""
        images = self._here(images)
        network = self._networks[self.best]
        for symmetry in symmetries:
            with half_precision(images.device):
                logits = network(self._here(symmetry.apply(images)))
            yield symmetry.undo(logits.float().softmax(dim=1))

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """Return the bottleneck features (B, D) of the best member."""
        images = self._here(images)
        with half_precision(images.device):
            return self._best_network.features(images).float()

    @torch.inference_mode()
    def pixel_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities (B, K, H, W) of the best member and the features (B, D, H, W) before its last layer."""
        images = self._here(images)
        with half_precision(images.device):
            logits, features = self._best_network.pixel_features(images)
        return logits.float().softmax(dim=1), features.float()

    @cached_property
    def _networks(self) -> list[Model]:
        return [for_inference(member.network, self.device) for member in self.members]

    @property
    def _best_network(self) -> SegmentationModule:
        best = self._networks[self.best]
        if not isinstance(best, SegmentationModule):
            raise ConfigError(
                "dropout passes and features of slices and pixels need a torch network, and the trainer gave "
                f"{type(best).__name__}; use another strategy or trainer."
            )
        return best

    @cached_property
    def _dropping(self) -> Dropping:
        return Dropping(self._best_network)

    def _here(self, images: Tensor) -> Tensor:
        return _laid_out(images, torch.device(self.device))

    def state(self) -> dict[str, Any]:
        """Return plain data and tensors that :meth:`restore` turns back into the ensemble."""
        return {"members": [member.state() for member in self.members]}

    @classmethod
    def restore(cls, state: dict[str, Any], by: Restorer, channels: int, classes: int, device: str) -> Ensemble:
        """Return the ensemble that gave ``state``, its models restored ``by`` the trainer."""
        members = [Member.restore(kept, by, channels, classes, device) for kept in state["members"]]
        return cls(members, device)


def _laid_out(images: Tensor, device: torch.device) -> Tensor:
    return images.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
