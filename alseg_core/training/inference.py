"""What trained networks say of slices: labels, probabilities of members and dropout passes, features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from alseg_core import seeding
from alseg_core.models import Network, SegmentationModule
from alseg_core.training.member import Member
from alseg_core.vocabulary import LabelArray

CHUNK = 16
"""Slices a forward pass takes at once."""


@torch.inference_mode()
def predict_labels(network: SegmentationModule, images: Tensor, depths: Sequence[int] | None = None) -> LabelArray:
    """Most probable class (B, H, W) uint8 of images (B, C, H, W), in the network's present mode.

    depths: slices of each volume, one after another in ``images``; None = they are all of one volume. A volumetric
    network takes one volume at a time.
    """
    chunks = images.split(CHUNK) if network.window is None else images.split(list(depths or [len(images)]))
    parts = [network(chunk.contiguous(memory_format=torch.channels_last)).argmax(dim=1) for chunk in chunks]
    return torch.cat(parts).to(torch.uint8).cpu().numpy()


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
        images = images.to(self.device, memory_format=torch.channels_last)
        for member in self.members:
            yield member.network.eval()(images).softmax(dim=1)

    @torch.inference_mode()
    def dropout_probabilities(self, images: Tensor, passes: int, seed: int) -> Iterator[Tensor]:
        """Class probabilities of the best member under ``passes`` dropout masks, batch norm in evaluation mode."""
        network = self.members[self.best].network.eval()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.train()
        images = images.to(self.device, memory_format=torch.channels_last)
        try:
            with seeding.torch_seeded(seed):
                for _ in range(passes):
                    yield network(images).softmax(dim=1)
        finally:
            network.eval()

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """Bottleneck features (B, D) of the best member."""
        images = images.to(self.device, memory_format=torch.channels_last)
        return self.members[self.best].network.eval().features(images)

    @torch.inference_mode()
    def pixel_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (B, K, H, W) of the best member and the features (B, D, H, W) before its last layer."""
        images = images.to(self.device, memory_format=torch.channels_last)
        logits, features = self.members[self.best].network.eval().pixel_features(images)
        return logits.softmax(dim=1), features

    def state(self) -> dict[str, Any]:
        """Plain data and tensors that :meth:`restore` turns back into the ensemble."""
        return {"members": [member.state() for member in self.members]}

    @classmethod
    def restore(cls, state: dict[str, Any], network: Network, channels: int, classes: int, device: str) -> Ensemble:
        """The ensemble that gave ``state``."""
        members = [Member.restore(kept, network, channels, classes, device) for kept in state["members"]]
        return cls(members, device)
