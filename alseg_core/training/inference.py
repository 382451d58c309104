"""What trained networks say of slices: labels, probabilities of members and dropout passes, features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alseg_core.models import Network, SegmentationModule
from alseg_core.models.folding import folded
from alseg_core.training.dropout import Dropping, Masks
from alseg_core.training.member import Member
from alseg_core.vocabulary import LabelArray

PIXELS = {"cpu": 2**17, "cuda": 2**22}
"""Pixels that a forward pass takes at once: what stays near a CPU's caches, and what fills a GPU."""


def chunk_size(size: tuple[int, int], device: str | torch.device) -> int:
    """Slices of ``size`` (rows, columns) that a forward pass takes at once."""
    pixels = PIXELS.get(torch.device(device).type, PIXELS["cpu"])
    return max(1, pixels // (size[0] * size[1]))


def half_precision(device: torch.device) -> AbstractContextManager[object]:
    """Convolutions in float16 where the device is faster for it; nothing is trained in it, so nothing underflows."""
    return torch.autocast("cuda", torch.float16) if device.type == "cuda" else nullcontext()


@torch.inference_mode()
def label_chunks(network: SegmentationModule, images: Tensor, depths: Sequence[int] | None = None) -> Iterator[Tensor]:
    """Most probable classes (b, H, W) uint8 of images (B, C, H, W), b after b, on the device of the network.

    The images may be on another device. The network stays in its mode. depths: see :func:`predict_labels`.
    """
    device = next((weight.device for weight in network.parameters()), images.device)
    if network.window is None:
        chunks = images.split(chunk_size((images.shape[2], images.shape[3]), device))
    else:
        chunks = images.split(list(depths or [len(images)]))
    for chunk in chunks:
        with half_precision(device):
            logits = network(_laid_out(chunk, device))
        yield logits.max(dim=1).indices.to(torch.uint8)  # argmax is several times slower


def predict_labels(network: SegmentationModule, images: Tensor, depths: Sequence[int] | None = None) -> LabelArray:
    """Most probable class (B, H, W) uint8 of images (B, C, H, W), in the network's present mode.

    depths: slices of each volume, one after another in ``images``; None = they are all of one volume. A volumetric
    network takes one volume at a time.
    """
    return torch.cat(list(label_chunks(network, images, depths))).cpu().numpy()


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The networks of one round; ``best`` is the one with the highest validation Dice."""

    members: Sequence[Member]
    device: str

    @property
    def best(self) -> int:
        """Index of the member that is evaluated; the first on ties."""
        return int(np.argmax([m.validation_dice for m in self.members]))

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Iterator[Tensor]:
        """Class probabilities (B, K, H, W) of images (B, C, H, W), one member after another."""
        images = self._here(images)
        for network in self._networks:
            with half_precision(images.device):
                logits = network(images)
            yield logits.float().softmax(dim=1)

    @torch.inference_mode()
    def dropout_probabilities(self, images: Tensor, passes: int, seed: int) -> Iterator[Tensor]:
        """Class probabilities of the best member under ``passes`` dropout masks, batch norm in evaluation mode."""
        images = self._here(images)
        masks = Masks(seed, images.device)
        for _ in range(passes):
            with half_precision(images.device):
                logits = self._dropping(images, masks)
            yield logits.float().softmax(dim=1)

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """Bottleneck features (B, D) of the best member."""
        images = self._here(images)
        with half_precision(images.device):
            return self._networks[self.best].features(images).float()

    @torch.inference_mode()
    def pixel_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (B, K, H, W) of the best member and the features (B, D, H, W) before its last layer."""
        images = self._here(images)
        with half_precision(images.device):
            logits, features = self._networks[self.best].pixel_features(images)
        return logits.float().softmax(dim=1), features.float()

    @cached_property
    def _networks(self) -> list[SegmentationModule]:
        return [folded(member.network) for member in self.members]

    @cached_property
    def _dropping(self) -> Dropping:
        return Dropping(self._networks[self.best])

    def _here(self, images: Tensor) -> Tensor:
        return _laid_out(images, torch.device(self.device))

    def state(self) -> dict[str, Any]:
        """Plain data and tensors that :meth:`restore` turns back into the ensemble."""
        return {"members": [member.state() for member in self.members]}

    @classmethod
    def restore(cls, state: dict[str, Any], network: Network, channels: int, classes: int, device: str) -> Ensemble:
        """The ensemble that gave ``state``."""
        members = [Member.restore(kept, network, channels, classes, device) for kept in state["members"]]
        return cls(members, device)


def _laid_out(images: Tensor, device: torch.device) -> Tensor:
    return images.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
